package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// relay is the parameter with which a request that was posted comes back as a
// redirect: a sealed wish, already checked.
const relay = "request"

// maxLogoutState leaves room for the rest of the address in which a wish travels.
const maxLogoutState = 2048

// wishLifetime is how long the page that asks may stay open.
const wishLifetime = time.Hour

// wish is a request to log out, checked. It travels through the browser under our MAC,
// so a visit leaves nothing in the database.
type wish struct {
	Client   auth.ClientID `json:"client,omitempty"`
	Subject  string        `json:"sub,omitempty"` // of the hint: as the client knows the account
	Redirect string        `json:"redirect,omitempty"`
	State    []byte        `json:"state,omitempty"` // as bytes: JSON would write some of them six times as long
	Until    time.Time     `json:"until"`
	Asks     bool          `json:"asks,omitempty"` // before the browser goes to Redirect
}

// end is where the browser goes when all is done.
func (w wish) end(step LogoutStep) LogoutStep {
	step.Kind = LogoutDone
	if w.Redirect == "" {
		return step
	}
	step.Kind, step.Location = LogoutRedirect, w.Redirect
	if w.Asks {
		step.Kind = LogoutLeave
	}
	if len(w.State) > 0 {
		step.Location = auth.AuthorizationResponse{RedirectURI: w.Redirect, Mode: auth.ModeQuery, Params: [][2]string{{"state", string(w.State)}}}.Location()
	}
	return step
}

// wish reads a request and checks everything in it: nothing is sent twice; client_id is the audience of the hint, if
// that is an ID Token of this issuer, however old; the redirect is registered for that
// client, letter by letter. A redirect without a client is dropped: nobody answers for
// it.
func (s *Service) wish(ctx context.Context, in LogoutInput) (wish, auth.Client, error) {
	if len(in.Form.Repeats()) > 0 {
		return wish{}, auth.Client{}, logoutPage("a parameter is sent more than once")
	}
	if raw := in.Form.Get(relay); raw != "" {
		w, ok := s.openWish(in.Tenant, raw)
		if !ok {
			return w, auth.Client{}, logoutPage("the request is not one of ours, or too old")
		}
		if w.Client == "" {
			return w, auth.Client{}, nil
		}
		c, err := s.logoutClient(ctx, in.Tenant, w.Client)
		return w, c, err
	}
	w := wish{Client: auth.ClientID(in.Form.Get("client_id")), Until: s.cfg.Now().Add(wishLifetime)}
	if raw := in.Form.Get("id_token_hint"); raw != "" {
		if err := s.hinted(ctx, in.Tenant, raw, &w); err != nil {
			return w, auth.Client{}, err
		}
	}
	if w.Client == "" {
		return w, auth.Client{}, nil
	}
	c, err := s.logoutClient(ctx, in.Tenant, w.Client)
	if err != nil {
		return w, c, err
	}
	w.Redirect, w.State = in.Form.Get("post_logout_redirect_uri"), []byte(in.Form.Get("state"))
	if len(w.State) > maxLogoutState {
		return w, c, logoutPage("state: at most 2048 bytes")
	}
	if w.Redirect != "" && !c.MatchPostLogoutURI(w.Redirect) {
		return w, c, logoutPage("post_logout_redirect_uri is not registered for this client")
	}
	return w, c, nil
}

// hinted takes from an id_token_hint who is meant, and by which client.
func (s *Service) hinted(ctx context.Context, tenant auth.TenantID, raw string, w *wish) error {
	hint, err := s.readHint(ctx, tenant, raw)
	switch {
	case errors.Is(err, errNotOurs):
		return nil // the same as none: the person is asked
	case err != nil:
		return err
	case w.Client == "" && len(hint.Audience) == 1:
		w.Client = auth.ClientID(hint.Audience[0])
	case !slices.Contains(hint.Audience, string(w.Client)):
		return logoutPage("id_token_hint was not issued to this client")
	}
	w.Subject = hint.Subject
	return nil
}

// sealWish writes a wish so that only we can have written it.
func (s *Service) sealWish(tenant auth.TenantID, w wish) string {
	b, err := json.Marshal(w)
	if err != nil {
		panic("oidc: a wish does not encode: " + err.Error()) // our own type only
	}
	body := secret.Encode(b)
	return body + "." + s.wishMAC(tenant, body)
}

// openWish reads what sealWish wrote.
func (s *Service) openWish(tenant auth.TenantID, sealed string) (wish, bool) {
	body, mac, ok := strings.Cut(sealed, ".")
	if !ok || !secret.Equal(mac, s.wishMAC(tenant, body)) {
		return wish{}, false
	}
	var w wish
	b, err := secret.Decode(body)
	if err != nil || json.Unmarshal(b, &w) != nil || !s.cfg.Now().Before(w.Until) {
		return wish{}, false
	}
	return w, true
}

func (s *Service) wishMAC(tenant auth.TenantID, body string) string {
	return secret.Encode(secret.MAC(secret.Derive(s.cfg.Root, "logout request"), []byte(tenant), []byte(body)))
}
