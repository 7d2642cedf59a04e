package main

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/server"
)

// notifier tells systemd how the service fares (sd_notify(3)): a datagram for each
// state. Its zero value, without a socket, tells nobody.
type notifier struct {
	conn  net.Conn
	every time.Duration // how often systemd wants a sign of life; zero: never
}

// newNotifier reads what systemd put into the environment of a Type=notify unit.
func newNotifier(env []string) notifier {
	var n notifier
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "NOTIFY_SOCKET":
			if strings.HasPrefix(value, "@") {
				value = "\x00" + value[1:] // the abstract namespace of Linux
			}
			if conn, err := net.Dial("unixgram", value); err == nil {
				n.conn = conn
			}
		case "WATCHDOG_USEC":
			if usec, err := strconv.ParseInt(value, 10, 64); err == nil {
				n.every = time.Duration(usec) * time.Microsecond / 2
			}
		}
	}
	return n
}

// tell sends one state. That systemd does not listen is no reason to stop serving.
func (n notifier) tell(state string) {
	if n.conn != nil {
		_, _ = n.conn.Write([]byte(state))
	}
}

// watch gives signs of life as long as the management listener answers.
func (n notifier) watch(ctx context.Context, manage string) {
	if n.conn == nil || n.every <= 0 {
		return
	}
	client := http.Client{Timeout: n.every}
	t := time.NewTicker(n.every)
	defer t.Stop()
	for {
		if resp, err := client.Get("http://" + manage + "/livez"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				n.tell("WATCHDOG=1")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// runServer runs the server and tells systemd when it is ready and when it stops.
func (e *env) runServer(ctx context.Context, s *server.Server, ready func(addr, manage string)) error {
	n := newNotifier(e.Env)
	stopping := context.AfterFunc(ctx, func() { n.tell("STOPPING=1") })
	defer stopping()
	return s.Run(ctx, func(addr, manage string) {
		ready(addr, manage)
		n.tell("READY=1\nSTATUS=listening on " + addr)
		go n.watch(ctx, manage)
	})
}
