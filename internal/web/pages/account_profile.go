package pages

import (
	"errors"
	"net/http"
	"strings"

	"github.com/watchword-auth/watchword/internal/account"
	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/web/router"
	"github.com/watchword-auth/watchword/internal/web/ui"
)

// ProfilePage shows the forms with the user's name, language and picture.
func (s *Handlers) ProfilePage(ex *router.Exchange, _ *http.Request) error {
	return render(ex, http.StatusOK, s.ownProfile(ex))
}

func (s *Handlers) profileOf(ex *router.Exchange, name, locale string) ui.Profile {
	return ui.Profile{Frame: s.accountFrame(ex, PathProfile), Value: name, Locale: ui.Lang(locale), Upload: tenantPath(ex, pathPicture), Remove: tenantPath(ex, pathPicture+"/remove")}
}

// ProfileForm changes the user's name and language.
func (s *Handlers) ProfileForm(ex *router.Exchange, r *http.Request) error {
	name, locale := r.PostForm.Get("name"), r.PostForm.Get("locale")
	_, err := s.accounts.Update(r.Context(), ex.Tenant.ID, ex.Actor.Account(), account.Patch{Name: &name, Locale: &locale}, ex.RequestActor())
	if err == nil {
		return seeOther(ex, PathProfile+"?done=profile")
	}
	p := s.profileOf(ex, auth.Clip(name, 4*auth.MaxNameLength), locale)
	status, bad, err := explainRefusal(ex, p.Page, err)
	if err != nil {
		return err
	}
	p.Bad = bad
	return render(ex, status, p)
}

// PictureForm replaces the user's picture.
func (s *Handlers) PictureForm(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.SetPicture(r.Context(), ex.Tenant.ID, ex.Actor.Account(), ex.Upload, ex.RequestActor())
	if err == nil {
		return seeOther(ex, PathProfile+"?done=picture")
	}
	p := s.ownProfile(ex)
	status, bad, err := explainRefusal(ex, p.Page, err)
	if err != nil {
		return err
	}
	p.BadPicture = bad
	return render(ex, status, p)
}

// WriteUploadProblem writes an error of the form for the picture. A file that is too large is the user's
// choice, so the form says so.
func (s *Handlers) WriteUploadProblem(ex *router.Exchange, err error) {
	if e, ok := errors.AsType[*router.Problem](err); !ok || e.Code != auth.CodeBodyTooLarge {
		s.WriteProblem(ex, err)
		return
	}
	status := ex.Fail(err).Status
	p := s.ownProfile(ex)
	p.BadPicture = p.Say(ui.PictureInvalid)
	if err := render(ex, status, p); err != nil {
		ex.WriteProblem(err)
	}
}

func (s *Handlers) ownProfile(ex *router.Exchange) ui.Profile {
	me := ex.SignedIn[0].Account
	return s.profileOf(ex, me.Name, me.Locale)
}

// PictureRemove removes the user's picture.
func (s *Handlers) PictureRemove(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.RemovePicture(r.Context(), ex.Tenant.ID, ex.Actor.Account(), ex.RequestActor())
	return redirectDone(ex, err, PathProfile, "picture-removed")
}

var (
	picturePolicy  = []string{"sandbox; default-src 'none'"}
	crossOriginAny = []string{"cross-origin"}
)

// Picture serves the picture of an account to anyone who has its URL, which applications show.
func (s *Handlers) Picture(ex *router.Exchange, r *http.Request) error {
	p, err := s.accounts.Picture(r.Context(), ex.Tenant.ID, r.PathValue("name"))
	if err != nil {
		return err
	}
	h := ex.Header()
	h["Content-Security-Policy"] = picturePolicy
	h["Cross-Origin-Resource-Policy"] = crossOriginAny
	return writeAsset(ex, p.Type, p.Bytes)
}

// EmailPage shows the form for a new email address.
func (s *Handlers) EmailPage(ex *router.Exchange, _ *http.Request) error {
	return render(ex, http.StatusOK, s.addressOf(ex))
}

func (s *Handlers) addressOf(ex *router.Exchange) ui.Address {
	return ui.Address{Frame: s.accountFrame(ex, PathEmail), Names: ex.Tenant.Settings.Identifiers, Username: ex.SignedIn[0].Account.Username, Rename: tenantPath(ex, PathEmail+"/username")}
}

// UsernameForm changes the user name, or removes it.
func (s *Handlers) UsernameForm(ex *router.Exchange, r *http.Request) error {
	name := r.PostForm.Get("username")
	_, err := s.accounts.Update(r.Context(), ex.Tenant.ID, ex.Actor.Account(), account.Patch{Username: &name, Fresh: true}, ex.RequestActor())
	if err == nil {
		return seeOther(ex, PathEmail+"?done=username")
	}
	p := s.addressOf(ex)
	p.Username = auth.Clip(name, maxUsername)
	status, bad, failed := explainRefusal(ex, p.Page, err)
	if failed != nil {
		return failed
	}
	if problem := usernameProblems[auth.CodeOf(err)]; problem != "" {
		bad = p.Say(problem)
	}
	p.BadName = bad
	return render(ex, status, p)
}

// EmailForm mails a link to the new address, which changes the account's address.
func (s *Handlers) EmailForm(ex *router.Exchange, r *http.Request) error {
	email := strings.TrimSpace(auth.Clip(r.PostForm.Get("email"), maxEmail))
	a, err := s.accounts.Update(r.Context(), ex.Tenant.ID, ex.Actor.Account(), account.Patch{Email: &email, Fresh: true, Browser: ex.BrowserCookie()}, ex.RequestActor())
	switch {
	case err == nil && a.Email.Address == email:
		return seeOther(ex, PathEmail+"?done=email-kept")
	case err == nil:
		return seeOther(ex, PathEmail+"?done=email")
	}
	p := s.addressOf(ex)
	p.Email = email
	status, bad, err := explainRefusal(ex, p.Page, err)
	if err != nil {
		return err
	}
	p.Bad = bad
	return render(ex, status, p)
}

// PasswordPage shows the form for a new password.
func (s *Handlers) PasswordPage(ex *router.Exchange, _ *http.Request) error {
	p, err := s.passwordOf(ex)
	if err != nil {
		return err
	}
	return render(ex, http.StatusOK, p)
}

func (s *Handlers) passwordOf(ex *router.Exchange) (ui.Password, error) {
	has, minLength, err := s.accounts.PasswordRequirements(ex.Request.Context(), ex.Tenant.ID, ex.Actor.Account())
	return ui.Password{Frame: s.accountFrame(ex, PathPassword), None: !has, MinLength: minLength, Mail: tenantPath(ex, pathNewPassword)}, err
}

// PasswordForm changes the password.
func (s *Handlers) PasswordForm(ex *router.Exchange, r *http.Request) error {
	actor := ex.RequestActor()
	cookie, err := s.accounts.ChangePassword(r.Context(), ex.Tenant.ID, actor.Account(), r.PostForm.Get("current"), r.PostForm.Get("password"), actor)
	if err == nil {
		if cookie != "" {
			ex.SetCurrentSession(cookie)
		}
		return seeOther(ex, PathPassword+"?done=password")
	}
	if done, err := s.repeatForm(ex); done || err != nil { // it was sent twice at once
		return err
	}
	p, failed := s.passwordOf(ex)
	if failed != nil {
		return failed
	}
	status, bad, failed := explainRefusal(ex, p.Page, err)
	if failed != nil {
		return failed
	}
	switch e, _ := errors.AsType[*auth.Error](err); {
	case e.Code == auth.CodeWrongPassword || e.Field == "current_password":
		p.Wrong = p.Say(ui.PasswordWrong)
	case e.Field == "new_password":
		p.Refused = p.Refusal(e)
	default:
		p.Bad = bad
	}
	return render(ex, status, p)
}

// PasswordLink mails a link for a new password to the account's email address.
func (s *Handlers) PasswordLink(ex *router.Exchange, r *http.Request) error {
	err := s.accounts.Forgot(r.Context(), ex.Tenant.ID, account.LinkRequest{Email: ex.SignedIn[0].Account.Email.Address, Browser: ex.BrowserCookie()}, ex.RequestActor())
	return redirectDone(ex, err, PathPassword, "link")
}

// ChangePassword redirects from the well-known URL that password managers open (W3C, A Well-Known URL
// for Changing Passwords).
func (s *Handlers) ChangePassword(ex *router.Exchange, _ *http.Request) error {
	return seeOther(ex, PathPassword)
}
