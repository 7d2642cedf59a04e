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

// notifier sends the state of the service to systemd (sd_notify(3)), one datagram per
// state. The zero value, without a socket, sends nothing.
type notifier struct {
	conn     net.Conn
	interval time.Duration // between watchdog messages; zero: none
}

// newNotifier returns the notifier of the environment that systemd gives a Type=notify
// unit.
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
				n.interval = time.Duration(usec) * time.Microsecond / 2
			}
		}
	}
	return n
}

// notify sends one state and ignores errors.
func (n notifier) notify(state string) {
	if n.conn != nil {
		_, _ = n.conn.Write([]byte(state))
	}
}

// runWatchdog sends watchdog messages while the management listener responds.
func (n notifier) runWatchdog(ctx context.Context, manage string) {
	if n.conn == nil || n.interval <= 0 {
		return
	}
	client := http.Client{Timeout: n.interval}
	t := time.NewTicker(n.interval)
	defer t.Stop()
	for {
		if resp, err := client.Get("http://" + manage + "/livez"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				n.notify("WATCHDOG=1")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// runServer runs the server and notifies systemd when it is ready and when it stops.
func (e *env) runServer(ctx context.Context, s *server.Server, ready func(addr, manage string)) error {
	n := newNotifier(e.Env)
	stop := context.AfterFunc(ctx, func() { n.notify("STOPPING=1") })
	defer stop()
	return s.Run(ctx, func(addr, manage string) {
		ready(addr, manage)
		n.notify("READY=1\nSTATUS=listening on " + addr)
		go n.runWatchdog(ctx, manage)
	})
}
