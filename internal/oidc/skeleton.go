package oidc

import (
	"context"
	"errors"

	"github.com/watchword-auth/watchword/internal/auth"
)

var errLater = errors.New("not yet")

// Pushed is the answer to a pushed request (RFC 9126 §2.2).
type Pushed struct {
	RequestURI string
	ExpiresIn  int64 // seconds
}

func ParseAuthorizeForm(text string) (Form, error) { return ParseForm(text) }

func (s *Service) Authorize(ctx context.Context, in AuthorizeInput) (Step, error) {
	return Step{}, errLater
}
func (s *Service) Push(ctx context.Context, r Request) (Pushed, error) { return Pushed{}, errLater }
func (s *Service) StartFlow(ctx context.Context, tenant auth.TenantID, kind auth.FlowKind, b Browser) (Step, error) {
	return Step{}, errLater
}
func (s *Service) Continue(ctx context.Context, tenant auth.TenantID, flow auth.FlowID, b Browser) (Step, error) {
	return Step{}, errLater
}
func (s *Service) Proved(ctx context.Context, tenant auth.TenantID, flow auth.FlowID, b Browser, csrf string, session auth.SessionID) (Step, error) {
	return Step{}, errLater
}
func (s *Service) Choose(ctx context.Context, tenant auth.TenantID, flow auth.FlowID, b Browser, csrf string, session auth.SessionID) (Step, error) {
	return Step{}, errLater
}
func (s *Service) Consent(ctx context.Context, tenant auth.TenantID, flow auth.FlowID, b Browser, csrf string, allow bool, actor auth.Actor) (Step, error) {
	return Step{}, errLater
}
func (s *Service) CheckForm(ctx context.Context, tenant auth.TenantID, flow auth.FlowID, b Browser, csrf string) error {
	return errLater
}
func (s *Service) Consents(ctx context.Context, tenant auth.TenantID, account auth.AccountID) ([]ConsentLine, error) {
	return nil, errLater
}
func (s *Service) RevokeConsent(ctx context.Context, tenant auth.TenantID, account auth.AccountID, client auth.ClientID, actor auth.Actor) error {
	return errLater
}

// ConsentLine is one client that a person has allowed something.
type ConsentLine struct {
	Consent auth.Consent
	Client  auth.Client
}
