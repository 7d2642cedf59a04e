package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement, with all its children.
type process struct {
	name string
	addr string
	cmd  *exec.Cmd
	log  *os.File
}

// start runs a server and waits until it accepts connections.
func start(name, addr string, env []string, argv ...string) (*process, error) {
	p, err := startProcess(name, addr, env, argv...)
	if err != nil {
		return nil, err
	}
	for range 600 {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
			return p, nil
		}
		time.Sleep(25 * time.Millisecond)
	}
	out, _ := os.ReadFile(p.log.Name())
	p.stop()
	return nil, fmt.Errorf("%s does not listen on %s:\n%s", name, addr, out)
}

// startProcess runs a server without waiting for it.
func startProcess(name, addr string, env []string, argv ...string) (*process, error) {
	log, err := os.Create(filepath.Join(scratchDir, name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return &process{name, addr, cmd, log}, cmd.Start()
}

func (p *process) stop() {
	if p == nil {
		return
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(12 * time.Second):
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-done
	}
	p.log.Close()
}

// members returns the process and its descendants, by process group.
func (p *process) members() []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var pids []int
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		if pgid, err := syscall.Getpgid(pid); err == nil && pgid == p.cmd.Process.Pid {
			pids = append(pids, pid)
		}
	}
	return pids
}

// cpu returns the processor time used so far, as counted by the kernel.
func (p *process) cpu() time.Duration {
	total := time.Duration(0)
	for _, pid := range p.members() {
		d, err := cpuOf(pid)
		if err == nil {
			total += d
		}
	}
	return total
}

// cpuOf sums the nanoseconds of a process's threads; /proc/PID/stat counts only in
// hundredths of a second.
func cpuOf(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		return 0, errors.Join(err, os.ErrNotExist)
	}
	total := int64(0)
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		ns, _ := strconv.ParseInt(string(bytes.Fields(b)[0]), 10, 64)
		total += ns
	}
	return time.Duration(total), nil
}

// rss returns the resident memory in bytes, now and at its peak.
func (p *process) rss() (now, peak int64) {
	for _, pid := range p.members() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 2 {
				continue
			}
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			switch f[0] {
			case "VmRSS:":
				now += kb << 10
			case "VmHWM:":
				peak += kb << 10
			}
		}
	}
	return now, peak
}

// freeAddr returns a free loopback port.
func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func runCommand(stdin string, env []string, argv ...string) (string, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = io.Writer(&errs)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, errs.String())
	}
	return string(out), nil
}
