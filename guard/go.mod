module github.com/watchword-auth/watchword/guard

go 1.25.0

require github.com/go-jose/go-jose/v4 v4.1.8

// Tests only: no package of this module imports it.
require github.com/google/go-cmp v0.7.0
