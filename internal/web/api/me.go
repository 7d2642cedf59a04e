package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/store"
)

var (
	OpMe       = operation{id: "me", topic: "account", summary: "Read the account"}
	OpMeUpdate = operation{id: "update-me", topic: "account",
		summary: "Update name and language",
		doc:     "Only the members that are present change."}
	OpEmailChange = operation{id: "change-email", topic: "account",
		summary: "Change the email address",
		doc:     "Requires the current password. The account keeps its address until the link mailed to the new one is used. The current address cancels a pending change." + freshDoc}
	OpUsernameChange = operation{id: "change-username", topic: "account", errors: []int{http.StatusConflict},
		summary: "Change the user name",
		doc:     "Requires the current password. An empty user name removes it." + freshDoc}
	OpPicture = operation{id: "set-picture", topic: "account", media: []string{"image/jpeg", "image/png"},
		summary: "Set the picture",
		doc:     "The body is a PNG or JPEG image of at most 4 MiB and 4096 × 4096 pixels. The server crops it to a square, scales it to at most 256 × 256 pixels and encodes it again. Each picture has a URL of its own; the URL of the former one is not found."}
	OpPictureRemove = operation{id: "remove-picture", topic: "account", status: http.StatusNoContent,
		summary: "Remove the picture"}
	OpMeDelete = operation{id: "delete-me", topic: "account", status: http.StatusNoContent,
		summary: "Delete the account",
		doc:     "Requires the current password. Deletes all data of the user and ends every session and token. Where the tenant delays deletions, the account has delete_at until then, and its user can keep it." + freshDoc}
	OpMeKeep = operation{id: "keep-me", topic: "account", status: http.StatusNoContent,
		summary: "Cancel the deletion of the account",
		doc:     "Does nothing where no deletion is pending."}
	OpMeExport = operation{id: "export-me", topic: "account",
		summary: "Export all data of the account", doc: strings.TrimSpace(freshDoc)}
)

// Me is the account of the signed-in user.
type Me struct {
	ID            string     `json:"id" doc:"The subject identifier: the sub of every token. Never changes." example:"01a2f3c4-…"`
	Email         string     `json:"email" example:"alice@example.com"`
	EmailVerified bool       `json:"email_verified"`
	Username      string     `json:"username,omitempty" doc:"The user name, if the account has one." example:"alice"`
	Name          string     `json:"name" example:"Alice"`
	Picture       string     `json:"picture,omitempty" format:"uri" doc:"The URL of the picture, if there is one."`
	Locale        string     `json:"locale,omitempty" doc:"The language of the pages; that of the browser without one." example:"de"`
	Roles         []string   `json:"roles"`
	Permissions   []string   `json:"permissions"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
	LastLoginAt   *time.Time `json:"last_login_at,omitempty"`
	DeleteAt      *time.Time `json:"delete_at,omitempty" doc:"When the account will be deleted, if its user has asked for that."`
}

type meOut struct{ Body Me }

func meOf(p store.Profile, issuer string) *meOut {
	me := Me{ID: string(p.ID), Email: p.Email.Address, EmailVerified: p.Verified(), Username: p.Username, Name: p.Name, Picture: p.PictureURL(issuer), Locale: p.Locale,
		Roles: list(p.Roles), Permissions: list(p.Permissions), CreatedAt: p.CreatedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC()}
	if at := p.LastLoginAt.UTC(); !p.LastLoginAt.IsZero() {
		me.LastLoginAt = &at
	}
	if at := p.DeleteAt.UTC(); !p.DeleteAt.IsZero() {
		me.DeleteAt = &at
	}
	return &meOut{me}
}

// list returns an empty list for nil, so that JSON always has a list.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// Me reads the account.
func (s *Handlers) Me(ctx context.Context, _ *struct{}) (*meOut, error) {
	ex := exchangeOf(ctx)
	p, err := s.accounts.Profile(ctx, ex.Tenant.ID, ex.Actor.Account())
	if err != nil {
		return nil, err
	}
	return meOf(p, ex.Tenant.ID.Issuer(s.base)), nil
}

// MeChange is an update of the account.
type MeChange struct {
	Name   *string `json:"name,omitempty" example:"Alice"`
	Locale *string `json:"locale,omitempty" doc:"The language of the pages: en or de, or empty for that of the browser." example:"de"`
}

// MeUpdate changes the user's name and language.
func (s *Handlers) MeUpdate(ctx context.Context, in *struct{ Body MeChange }) (*meOut, error) {
	return s.update(ctx, account.Patch{Name: in.Body.Name, Locale: in.Body.Locale})
}

type pictureIn struct {
	RawBody []byte `contentType:"image/png"` // image/jpeg too, by the operation
}

// PictureSet replaces the user's picture.
func (s *Handlers) PictureSet(ctx context.Context, in *pictureIn) (*meOut, error) {
	ex := exchangeOf(ctx)
	if err := s.accounts.SetPicture(ctx, ex.Tenant.ID, ex.Actor.Account(), in.RawBody, ex.RequestActor()); err != nil {
		return nil, err
	}
	return s.Me(ctx, nil)
}

// PictureRemove removes the user's picture.
func (s *Handlers) PictureRemove(ctx context.Context, _ *struct{}) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.accounts.RemovePicture(ctx, ex.Tenant.ID, ex.Actor.Account(), ex.RequestActor())
}

// EmailChange is a new email address.
type EmailChange struct {
	Email           string `json:"email" example:"alice@example.org"`
	CurrentPassword string `json:"current_password" writeOnly:"true"`
}

// EmailChange mails a link to the new address, which changes the account's address.
func (s *Handlers) EmailChange(ctx context.Context, in *struct{ Body EmailChange }) (*meOut, error) {
	return s.update(ctx, account.Patch{Email: &in.Body.Email, CurrentPassword: in.Body.CurrentPassword, Browser: exchangeOf(ctx).BrowserCookie()})
}

// UsernameChange is a new user name.
type UsernameChange struct {
	Username        string `json:"username" doc:"Empty removes it." example:"alice"`
	CurrentPassword string `json:"current_password" writeOnly:"true"`
}

// UsernameChange changes the user name, or removes it.
func (s *Handlers) UsernameChange(ctx context.Context, in *struct{ Body UsernameChange }) (*meOut, error) {
	return s.update(ctx, account.Patch{Username: &in.Body.Username, CurrentPassword: in.Body.CurrentPassword})
}

func (s *Handlers) update(ctx context.Context, patch account.Patch) (*meOut, error) {
	ex := exchangeOf(ctx)
	if _, err := s.accounts.Update(ctx, ex.Tenant.ID, ex.Actor.Account(), patch, ex.RequestActor()); err != nil {
		return nil, err
	}
	return s.Me(ctx, nil)
}

// CurrentPassword is the current password of the account, which proves that its owner makes the request.
type CurrentPassword struct {
	CurrentPassword string `json:"current_password" writeOnly:"true"`
}

// MeDelete deletes the account.
func (s *Handlers) MeDelete(ctx context.Context, in *struct{ Body CurrentPassword }) (*nothing, error) {
	ex := exchangeOf(ctx)
	err := s.accounts.Delete(ctx, ex.Tenant.ID, ex.Actor.Account(), in.Body.CurrentPassword, ex.RequestActor())
	if err == nil && ex.ByCookie {
		ex.DropCurrentSession()
	}
	return nil, err
}

// MeKeep cancels the deletion of the account.
func (s *Handlers) MeKeep(ctx context.Context, _ *struct{}) (*nothing, error) {
	ex := exchangeOf(ctx)
	return nil, s.accounts.Keep(ctx, ex.Tenant.ID, ex.Actor.Account(), ex.RequestActor())
}

type exportOut struct{ Body account.Export }

// MeExport exports all data of the account.
func (s *Handlers) MeExport(ctx context.Context, _ *struct{}) (*exportOut, error) {
	ex := exchangeOf(ctx)
	e, err := s.accounts.Export(ctx, ex.Tenant.ID, ex.Actor.Account(), ex.RequestActor())
	return &exportOut{e}, err
}
