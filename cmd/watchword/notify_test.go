package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// A unit of Type=notify is told when the server is ready, that it lives, and that it stops.
func TestRepair_N22_TellsSystemd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "notify")
	l, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	listen := freeAddress()
	var out, errs buffer
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve"}, system{Out: &out, Err: &errs, Env: []string{
			"NOTIFY_SOCKET=" + socket, "WATCHDOG_USEC=200000", "WATCHWORD_LISTEN=" + listen, "WATCHWORD_MANAGE=" + freeAddress(), "WATCHWORD_DATA=" + dir,
			"WATCHWORD_ISSUER=http://" + listen, "WATCHWORD_MASTER_KEY=" + testKey, "WATCHWORD_SMTP_URL=smtp://127.0.0.1:1", "WATCHWORD_SMTP_FROM=a@example.test",
		}})
	}()

	next := func() string {
		b := make([]byte, 1024)
		n, _, err := l.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}

	if got := next(); !strings.HasPrefix(got, "READY=1\n") || !strings.Contains(got, listen) {
		t.Errorf("first %q", got)
	}
	for range 2 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("then %q", got)
		}
	}
	cancel()
	for got := next(); got != "STOPPING=1"; got = next() {
		if got != "WATCHDOG=1" {
			t.Errorf("at the end %q", got)
		}
	}
	if c := <-code; c != 0 {
		t.Errorf("serve ended with %d:\n%s", c, errs.String())
	}
}
