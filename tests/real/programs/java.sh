#!/bin/sh
# A JVM whose threads start processes, some and then end. Needs: java
cat > "$T/A.java" <<'X'
public class A {
    static void start(String... command) {
        try { new ProcessBuilder(command).start(); } catch (Exception e) { throw new RuntimeException(e); }
    }
    static void sleep(int ms) {
        try { Thread.sleep(ms); } catch (InterruptedException e) { }
    }
    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 4; i++) {
            int n = i;
            new Thread(() -> { start("sleep", "90" + n); if (n < 2) sleep(900000); }).start();
        }
        start("sh", "-c", "sleep 911 & sleep 912");
        new ProcessBuilder("true").start().waitFor();
        sleep(2000);
        new java.io.File(System.getenv("DONE")).createNewFile();
        sleep(900000);
    }
}
X
exec java "$T/A.java"
