package outbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// tlsMode is the TLS mode of a connection to the mail server.
type tlsMode int

const (
	tlsImplicit tlsMode = iota // TLS from the first byte, verified
	tlsRequired                // STARTTLS, verified; fails without
	tlsLocal                   // STARTTLS if offered, with any certificate; for loopback
	tlsOff                     // no TLS; configured by the operator
)

// smtpURL is a parsed URL of a mail server.
type smtpURL struct {
	host     string
	port     int
	user     string
	password string
	tls      tlsMode
}

// parseSMTP reads smtp://USER:PASSWORD@HOST:PORT or smtps://…. Without a port it is 587, with
// smtps 465. A host that is not loopback must offer STARTTLS unless the URL ends in ?tls=off;
// ?tls=required requires it of loopback too. The error contains nothing of the URL.
func parseSMTP(text string) (smtpURL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" || strings.Contains(u.RawQuery, "@") {
		return smtpURL{}, errors.New("mail server URL: want smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465 (escape @ : / ? in the password as %40 %3A %2F %3F)")
	}
	s := smtpURL{host: u.Hostname(), user: u.User.Username()}
	s.password, _ = u.User.Password()
	switch u.Scheme {
	case "smtp":
		s.port, s.tls = 587, tlsRequired
		if loopback(s.host) {
			s.tls = tlsLocal
		}
	case "smtps":
		s.port, s.tls = 465, tlsImplicit
	default:
		return smtpURL{}, fmt.Errorf("mail server URL: want the scheme smtp or smtps, got %q", u.Scheme)
	}
	if err := s.options(u.Query()); err != nil {
		return smtpURL{}, err
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return smtpURL{}, errors.New("mail server URL: want a port of 1–65535")
		}
	}
	return s, nil
}

func (s *smtpURL) options(q url.Values) error {
	for name, values := range q {
		if name != "tls" || len(values) != 1 {
			return fmt.Errorf("mail server URL: want no option but tls, got %q", name)
		}
		switch {
		case s.tls == tlsImplicit:
			return errors.New("mail server URL: the option tls is only for smtp://, as smtps:// always uses TLS")
		case values[0] == "off":
			s.tls = tlsOff
		case values[0] == "required":
			s.tls = tlsRequired
		default:
			return errors.New("mail server URL: want tls=off or tls=required")
		}
	}
	return nil
}

func (s smtpURL) address() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// loopback reports whether the host is localhost or a loopback address, without resolving it.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
