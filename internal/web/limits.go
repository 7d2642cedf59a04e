package web

import (
	"net/http"

	"github.com/watchword-auth/watchword/internal/web/router"
)

// The limits in the route table.
var (
	unlimited           = router.Unlimited
	limitRegister       = router.Limit{Name: "register.ip"}
	limitLogin          = router.Limit{Name: "login.ip", FailuresOnly: true}
	limitVerify         = router.Limit{Name: "verify.ip"}
	limitResend         = router.Limit{Name: "resend.ip"}
	limitForgot         = router.Limit{Name: "forgot.ip"}
	limitEmailCode      = router.Limit{Name: "email_code.ip"}
	limitReset          = router.Limit{Name: "reset.ip"}
	limitChange         = router.Limit{Name: "change.ip", FailuresOnly: true}
	limitRefresh        = router.Limit{Name: "refresh.ip"}
	limitClient         = router.Limit{Name: "client.ip", FailuresOnly: true, Status: http.StatusUnauthorized}
	limitAuthorize      = router.Limit{Name: "authorize.ip"}
	limitClientRegister = router.Limit{Name: "client_register.ip"}
)

// The limits of what an account's owner changes or exports.
var (
	limitSelfChange   = router.Limit{Name: "self.change"}
	limitSelfPassword = router.Limit{Name: "self.password"}
	limitSelfExport   = router.Limit{Name: "self.export", KeepFailed: true}
	// limitSelfEnd counts within one session, so an attacker's session cannot stop the owner from ending it.
	limitSelfEnd = router.Limit{Name: "self.end", Rate: "self.change", OwnSession: true}
)
