#!/bin/sh
# multiprocessing in its three ways, threads that start processes, a double fork, a zombie. Needs: python3
cat > "$T/main.py" <<'X'
import multiprocessing, os, subprocess, threading, time
from concurrent.futures import ThreadPoolExecutor

def stay(number):
    subprocess.Popen(["sleep", str(number)])
    time.sleep(900)

if __name__ == "__main__":
    for number, way in enumerate(("fork", "spawn", "forkserver"), 901):
        multiprocessing.get_context(way).Process(target=stay, args=(number,)).start()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: subprocess.call(["true"]), range(30)))
    for number in range(911, 916):
        threading.Thread(target=subprocess.Popen, args=(["sleep", str(number)],)).start()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "921"])
        os._exit(0)
    os.posix_spawn("/bin/sleep", ["sleep", "922"], os.environ)
    subprocess.Popen("sleep 923; true", shell=True, preexec_fn=os.setpgrp)
    zombie = subprocess.Popen(["sleep", "0.1"])
    time.sleep(2)
    open(os.environ["DONE"], "w")
    time.sleep(900)
X
exec python3 "$T/main.py"
