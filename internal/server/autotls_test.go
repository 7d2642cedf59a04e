package server

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchword-auth/watchword/internal/config"
)

// The port of the challenge is that of the public listener; certmagic would otherwise open port 443.
func TestCertIssuer_ListensOnItsOwnPort(t *testing.T) {
	t.Parallel()
	s := &Server{cfg: config.Default()}
	for _, at := range []net.TCPAddr{{Port: 8443, IP: net.IPv6unspecified}, {Port: 443, IP: net.IPv4(192, 0, 2, 1)}} {
		ca, err := s.certIssuer(&at)
		if err != nil || ca.AltTLSALPNPort != at.Port || ca.ListenHost != at.IP.String() || ca.TrustedRoots != nil {
			t.Errorf("at %v: %+v, %v", &at, ca, err)
		}
	}
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + "-none"} {
		s.cfg.TLS.DirectoryCAFile = file
		if _, err := s.certIssuer(&net.TCPAddr{Port: 443}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
