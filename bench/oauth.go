package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// machineClient is a client with client_credentials.
type machineClient struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// createMachineClient registers a machine client with the command line.
func (s *server) createMachineClient() (c machineClient, err error) {
	out, err := runCommand("", s.env, s.binary, "client", "create", "--name", "bench", "--type", "machine", "--scope", "orders:read", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &c)
	}
	return c, err
}

// posts returns a load that sends the same form repeatedly.
func (s *server) posts(path, form string, c machineClient) load {
	basic := base64.StdEncoding.EncodeToString([]byte(c.ID + ":" + c.Secret))
	request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
		path, s.addr, basic, len(form), form)
	return load{addr: s.addr, clients: 16, span: *span, next: func(int, int) []byte { return request }}
}

// oauthSection measures the requests of machines.
func oauthSection(b *bench) error {
	databases := map[string]string{"SQLite": ""}
	order := []string{"SQLite"}
	if *postgres != "" {
		url, drop, err := newDatabase()
		if err != nil {
			return err
		}
		defer drop()
		databases["PostgreSQL (CPU of the server only)"] = url
		order = append(order, "PostgreSQL (CPU of the server only)")
	}
	sign, err := measureSignature()
	if err != nil {
		return err
	}
	b.printHead("Machines at the OAuth endpoints", "16 clients, keep-alive, client secret by Basic; every token leaves an audit line, written together within a second.")
	var issued cost
	for _, name := range order {
		c, err := b.oauthRows(name, databases[name])
		if err != nil {
			return err
		}
		if name == "SQLite" {
			issued = c
		}
	}
	if err := peerMachines(b); err != nil {
		return err
	}
	fmt.Printf("\nA raw ES256 signature in this process: %s of CPU. client_credentials on SQLite costs %.2f × (hello + raw signature).\n\n",
		formatDuration(sign), float64(issued.cpu)/float64(issued.unit+sign))
	return nil
}

func (b *bench) oauthRows(name, database string) (issued cost, err error) {
	s, err := startWatchword("oauth-"+name[:4], database)
	if err != nil {
		return issued, err
	}
	defer s.stop()
	client, err := s.createMachineClient()
	if err != nil {
		return issued, err
	}
	token := b.measureCost(s.process, s.posts("/oauth2/token", "grant_type=client_credentials", client))
	b.printRow("client_credentials → ES256 JWT, "+name, token)
	access, err := s.requestToken(client)
	if err != nil {
		return issued, err
	}
	b.printRow("introspection of one token, "+name, b.measureCost(s.process, s.posts("/oauth2/introspect", "token="+access, client)))
	return token, nil
}

func (s *server) requestToken(c machineClient) (string, error) {
	var conn conn
	defer conn.close()
	a, err := conn.roundTrip(s.addr, s.posts("/oauth2/token", "grant_type=client_credentials", c).next(0, 0))
	if err != nil || a.status != http.StatusOK {
		return "", fmt.Errorf("token: status %d, %w", a.status, err)
	}
	var p pair
	err = json.Unmarshal(a.body, &p)
	return p.Access, err
}

// measureSignature returns the CPU time of one raw signature.
func measureSignature() (time.Duration, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256([]byte("x"))
	return measureEach(20_000, func() error {
		_, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		return err
	})
}
