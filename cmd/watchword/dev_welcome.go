package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/server"
)

// welcome is what development mode prints when it is ready.
type welcome struct {
	devFolder
	data, listen string
	password     string // of the administrator; empty after the first start
	registered   bool   // the user of the printed commands has an account
}

// prepare makes the administrator at the first start. The password is shown once and
// kept nowhere.
func (w *welcome) prepare(ctx context.Context, s *server.Server) error {
	_, err := s.Accounts.Find(ctx, auth.DefaultTenant, devUser)
	w.registered = err == nil
	_, err = s.Accounts.Find(ctx, auth.DefaultTenant, devAdmin)
	if auth.KindOf(err) != auth.KindNotFound {
		return err
	}
	password := strings.ToLower(rand.Text()[:20])
	creation := account.Creation{Email: devAdmin, Password: password, Name: "Administrator", Verified: true}
	a, err := s.Accounts.Create(ctx, auth.DefaultTenant, creation, auth.System)
	if err != nil {
		return fmt.Errorf("make the administrator: %w", err)
	}
	w.password = password
	return s.Access.Assign(ctx, auth.DefaultTenant, a.ID, auth.AdminRole, auth.System)
}

// print writes the ready line, the links and the way to a first token.
func (w *welcome) print(out io.Writer) {
	admin := devAdmin + "  (its password was shown at the first start)"
	if w.password != "" {
		admin = devAdmin + "  password " + w.password + "  (shown only now)"
	}
	fmt.Fprintf(out, `
Watchword is ready.

  issuer    %[1]s
  account   %[1]s/account
  mailbox   %[1]s/dev/mailbox
  API       %[1]s/api/v1/openapi.json
  metrics   http://%[2]s/metrics
  admin     %[3]s
`, w.Issuer, w.Manage, admin)
	if w.Public {
		fmt.Fprintf(out, `
WARNING: whoever reaches %s can read all mail, and so take any account. Keep no
account in it that matters, and no port open to a network that you do not trust.
`, w.listen)
	}
	w.printFirst(out)
	fmt.Fprintf(out, "\nStop with Ctrl-C. Everything is kept in %s. For production see: watchword doctor\n\n", w.data)
}

// printFirst prints what has not been done yet.
func (w *welcome) printFirst(out io.Writer) {
	if w.password != "" {
		fmt.Fprintf(out, `
Your first token:

  curl -s %[1]s/api/v1/login -H 'Content-Type: application/json' \
    -d '{"email":"%[2]s","password":"%[3]s"}'

It opens this server's own API. For an API of yours, such as examples/go-api, add "resource":"%[4]s".
`, w.Issuer, devAdmin, w.password, exampleResources[0].URL)
	} else {
		fmt.Fprintf(out, "\nAnother password for the administrator: watchword user password %s --password-stdin\n", devAdmin)
	}
	if w.registered {
		return
	}
	fmt.Fprintf(out, `
A person of your own: register, confirm by the link in the mailbox, sign in:

  curl -s %[1]s/api/v1/register -H 'Content-Type: application/json' \
    -d '{"email":"%[2]s","password":"plain-sailing-42"}'
  LINK=$(curl -s %[1]s/dev/mailbox.json | grep -o 'wwl_[A-Za-z0-9_-]*' | head -n 1)
  curl -s %[1]s/api/v1/verify-email -H 'Content-Type: application/json' -d "{\"token\":\"$LINK\"}"
  curl -s %[1]s/api/v1/login -H 'Content-Type: application/json' \
    -d '{"email":"%[2]s","password":"plain-sailing-42"}'
`, w.Issuer, devUser)
}
