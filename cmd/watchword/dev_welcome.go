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

// welcome is what a development server prints when it is ready.
type welcome struct {
	devFolder
	data, listen string
	password     string // of the administrator; empty after the first start
	registered   bool   // the user of the printed commands has an account
}

// createAdmin creates the administrator at the first start. The password is printed once
// and not stored.
func (w *welcome) createAdmin(ctx context.Context, s *server.Server) error {
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
		return fmt.Errorf("create the administrator: %w", err)
	}
	w.password = password
	return s.Access.Assign(ctx, auth.DefaultTenant, a.ID, auth.AdminRole, auth.System)
}

// print writes the ready line, the links and the next steps.
func (w *welcome) print(out io.Writer) {
	admin := devAdmin + "  (password shown at the first start)"
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
WARNING: anyone who can reach %s can read all mail and take over any account.
Do not keep real accounts here, and do not open this port to an untrusted network.
`, w.listen)
	}
	w.printNextSteps(out)
	fmt.Fprintf(out, "\nStop with Ctrl-C. Data is kept in %s. Before production, run: watchword doctor\n\n", w.data)
}

// printNextSteps prints the commands for a first token and a first user, until done.
func (w *welcome) printNextSteps(out io.Writer) {
	if w.password != "" {
		fmt.Fprintf(out, `
Get a first token:

  curl -s %[1]s/api/v1/login -H 'Content-Type: application/json' \
    -d '{"email":"%[2]s","password":"%[3]s"}'

It is for this server's own API. For your API, such as examples/go-api, add "resource":"%[4]s".
`, w.Issuer, devAdmin, w.password, exampleResources[0].URL)
	} else {
		fmt.Fprintf(out, "\nTo set a new administrator password: watchword user password %s --password-stdin\n", devAdmin)
	}
	if w.registered {
		return
	}
	fmt.Fprintf(out, `
Register a user, confirm the link in the mailbox, and sign in:

  curl -s %[1]s/api/v1/register -H 'Content-Type: application/json' \
    -d '{"email":"%[2]s","password":"plain-sailing-42"}'
  LINK=$(curl -s %[1]s/dev/mailbox.json | grep -o 'wwl_[A-Za-z0-9_-]*' | head -n 1)
  curl -s %[1]s/api/v1/verify-email -H 'Content-Type: application/json' -d "{\"token\":\"$LINK\"}"
  curl -s %[1]s/api/v1/login -H 'Content-Type: application/json' \
    -d '{"email":"%[2]s","password":"plain-sailing-42"}'
`, w.Issuer, devUser)
}
