package clients_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/client"
	"github.com/watchword-auth/watchword/internal/servertest"
)

// TestFlask: an application that signs users in with Authlib, and an API that verifies access
// tokens with PyJWT.
func TestFlask(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import flask, jwt, cryptography, requests, authlib").Run(); err != nil {
		skipMissing(t, "Flask with Authlib and PyJWT", err)
	}
	s := servertest.New(t)
	addr := freeAddress(t)
	id, secret := register(t, s, application("http://"+strings.Replace(addr, "127.0.0.1", "localhost", 1)+"/callback", func(r *client.Registration) {
		r.FirstParty = true // its tokens are for the issuer, which the API asks for
	}))
	_, port, _ := strings.Cut(addr, ":")
	startProgram(t, append(os.Environ(), "ISSUER="+s.Issuer, "CLIENT_ID="+id, "CLIENT_SECRET="+secret, "PORT="+port, "AUTHLIB_INSECURE_TRANSPORT=1"),
		python, "testdata/application.py")
	site := "http://localhost:" + port
	waitForServer(t, "http://"+addr+"/api/hello")

	p := newPerson(t, s)
	status, body := p.browse(browser(t), site+"/login")
	var told struct {
		Subject string `json:"sub"`
		Email   string `json:"email"`
		Access  string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &told); status != 200 || err != nil || told.Email != alice {
		t.Fatalf("%d: %s", status, body)
	}
	for token, want := range map[string]int{told.Access: 200, told.Access[:len(told.Access)-4] + "AAAA": 401, "": 401} {
		req, err := http.NewRequest("GET", "http://"+addr+"/api/hello", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("the API answers %d, want %d", res.StatusCode, want)
		}
	}
}
