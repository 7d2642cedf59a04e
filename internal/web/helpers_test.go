package web

import "github.com/watchword-auth/watchword/internal/auth"

var (
	noSettings auth.Settings
	system     = auth.System
)
