// Command tool is all that runs in the containers of the tests: it prints what it was given, or waits. Called
// runc, it is a runc without seccomp.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

func main() {
	if filepath.Base(os.Args[0]) == "runc" {
		fmt.Fprintln(os.Stderr, runc())
		os.Exit(1)
	}
	if os.Args[1] == "print" {
		env := os.Environ()
		sort.Strings(env)
		for _, entry := range env {
			if strings.HasPrefix(entry, "FARTHING_") || strings.HasPrefix(entry, "CUDA_") || strings.HasPrefix(entry, "NVIDIA_") {
				fmt.Println(entry)
			}
		}
		for _, path := range os.Args[2:] {
			_, err := os.Stat(path)
			fmt.Printf("%s there=%t\n", path, err == nil)
		}
		fmt.Println("printed")
	}
	if os.Args[1] == "exit" {
		return
	}
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGTERM, syscall.SIGINT)
	<-done
}
