"""What a line of strace's says: prefixes, times, arguments, results. Bytes in, values out."""
