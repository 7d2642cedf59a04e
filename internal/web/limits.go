package web

import "net/http"

// The limits of the table.
var (
	limitRegister       = rateLimit{name: "register.ip"}
	limitLogin          = rateLimit{name: "login.ip", failuresOnly: true}
	limitVerify         = rateLimit{name: "verify.ip"}
	limitResend         = rateLimit{name: "resend.ip"}
	limitForgot         = rateLimit{name: "forgot.ip"}
	limitReset          = rateLimit{name: "reset.ip"}
	limitChange         = rateLimit{name: "change.ip", failuresOnly: true}
	limitRefresh        = rateLimit{name: "refresh.ip"}
	limitClient         = rateLimit{name: "client.ip", failuresOnly: true, status: http.StatusUnauthorized}
	limitAuthorize      = rateLimit{name: "authorize.ip"}
	limitClientRegister = rateLimit{name: "client_register.ip"}
)

// The limits of what one account does with itself.
var (
	limitSelfChange   = rateLimit{name: "self.change"}
	limitSelfPassword = rateLimit{name: "self.password"}
	limitSelfExport   = rateLimit{name: "self.export", keepFailed: true}
	// limitSelfEnd counts within one session: no other session can keep the owner from ending it.
	limitSelfEnd = rateLimit{name: "self.end", rate: "self.change", ownSession: true}
)
