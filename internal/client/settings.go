package client

import (
	"encoding/json"
	"fmt"

	"github.com/watchword-auth/watchword/internal/auth"
)

// setting says who may set a member of auth.ClientSettings. A member that is not in the table
// is for operators.
type setting struct {
	name string
	// replaceable means that the server may leave out the value of a client that describes
	// itself (RFC 7591 §3.2.1).
	replaceable bool
}

// clientSettings are the settings that a client may say of itself.
var clientSettings = []setting{
	{"grant_types", false},
	{"token_endpoint_auth_method", false},
	{"token_endpoint_auth_signing_alg", false},
	{"jwks", false},
	{"jwks_uri", false},
	{"subject_type", true},
	{"sector_identifier_uri", false},
	{"id_token_signed_response_alg", true},
	{"userinfo_signed_response_alg", true},
	{"authorization_signed_response_alg", false},
	{"introspection_signed_response_alg", true},
	{"request_object_signing_alg", true},
	{"request_uris", true},
	{"require_pushed_authorization_requests", false},
	{"require_signed_request_object", false},
	{"dpop_bound_access_tokens", false},
	{"default_max_age", true},
	{"default_acr_values", true},
	{"require_auth_time", false},
	{"post_logout_redirect_uris", true},
	{"backchannel_logout_uri", true},
	{"backchannel_logout_session_required", false},
	{"initiate_login_uri", true},
	{"logo_uri", true},
	{"client_uri", true},
	{"policy_uri", true},
	{"tos_uri", true},
	{"contacts", true},
}

// requiredMetadata are the members of client metadata, other than the settings, that are refused when
// their type is wrong.
var requiredMetadata = []string{"redirect_uris", "id_token_encrypted_response_alg", "userinfo_encrypted_response_alg", "request_object_encryption_alg",
	"introspection_encrypted_response_alg", "authorization_encrypted_response_alg"}

// mergeSettings returns the settings of said that a client may set, and all others of kept.
func mergeSettings(said, kept auth.ClientSettings) (auth.ClientSettings, error) {
	var from, merged map[string]json.RawMessage
	for _, v := range []struct {
		set     auth.ClientSettings
		members *map[string]json.RawMessage
	}{{said, &from}, {kept, &merged}} {
		b, err := json.Marshal(v.set)
		if err == nil {
			err = json.Unmarshal(b, v.members)
		}
		if err != nil {
			return auth.ClientSettings{}, fmt.Errorf("encode client settings: %w", err)
		}
	}
	for _, s := range clientSettings {
		delete(merged, s.name)
		if v, ok := from[s.name]; ok {
			merged[s.name] = v
		}
	}
	var out auth.ClientSettings
	b, err := json.Marshal(merged)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		return auth.ClientSettings{}, fmt.Errorf("decode client settings: %w", err)
	}
	return out, nil
}
