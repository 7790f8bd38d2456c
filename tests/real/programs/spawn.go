// Starts processes in the ways that Go programs do; tests/real/programs/go.sh.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const prSetChildSubreaper = 36

func start(attributes *syscall.SysProcAttr, name string, args ...string) {
	command := exec.Command(name, args...)
	command.SysProcAttr = attributes
	command.Start()
}

func main() {
	var all sync.WaitGroup
	for i := 0; i < 60; i++ {
		all.Add(1)
		go func() { defer all.Done(); exec.Command("/bin/true").Run() }()
	}
	all.Wait()
	for i := 0; i < 6; i++ {
		all.Add(1)
		go func(i int) {
			runtime.LockOSThread() // a goroutine that returns so ends its thread
			start(&syscall.SysProcAttr{Setsid: i == 5}, "/bin/sleep", fmt.Sprint(900+i))
			all.Done()
			if i%2 == 1 {
				runtime.UnlockOSThread()
				for {
					time.Sleep(time.Hour)
				}
			}
		}(i)
	}
	all.Wait()
	exec.Command("/bin/sh", "-c", "sleep 950 & sleep 951 & exit 0").Run()
	start(&syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}, "/bin/sh", "-c", "sleep 952; true")
	start(&syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}, "/bin/sleep", "953")
	syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0)
	exec.Command("/bin/sh", "-c", "(sleep 954 &)").Run()
	start(nil, "/bin/true") // nobody waits for it
	time.Sleep(1500 * time.Millisecond)
	os.WriteFile(os.Getenv("DONE"), nil, 0o600)
	for {
		time.Sleep(time.Hour)
	}
}
