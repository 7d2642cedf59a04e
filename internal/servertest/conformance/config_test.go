package conformance_test

import (
	"slices"
	"strings"
	"testing"
)

// TestConfigPlan runs the modules about the discovery document: the only one of
// oidcc-config-certification-test-plan, and those of the other plans.
func TestConfigPlan(t *testing.T) {
	t.Parallel()
	run(t, newProvider(t), variant{}, []module{
		{"oidcc-discovery-endpoint-verification", discovery},
		{"oidcc-rp-initiated-logout-discovery-endpoint-verification", func(mt *moduleTest) { mt.requireEndpoint("end_session_endpoint") }},
		{"oidcc-backchannel-logout-discovery-endpoint-verification", backchannelDiscovery},
		{"fapi2-security-profile-final-discovery-end-point-verification", fapiDiscovery},
	})
}

// requireEndpoint fails the test unless the metadata has the endpoint, at the issuer.
func (mt *moduleTest) requireEndpoint(name string) {
	mt.t.Helper()
	if s, ok := mt.metadata()[name].(string); !ok || !strings.HasPrefix(s, issuer+"/") {
		mt.t.Errorf("%s is %q", name, s)
	}
}

func discovery(mt *moduleTest) {
	m := mt.metadata()
	if m["issuer"] != issuer {
		mt.t.Errorf("issuer %v", m["issuer"])
	}
	for name, v := range m {
		if strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri") {
			mt.requireEndpoint(name)
		}
		if list, ok := v.([]any); ok && len(list) == 0 {
			mt.t.Errorf("%s is empty", name)
		}
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "registration_endpoint", "jwks_uri"} {
		mt.requireEndpoint(name)
	}
	for name, want := range map[string][]string{
		"response_types_supported": {"code"}, "subject_types_supported": {"public", "pairwise"}, "id_token_signing_alg_values_supported": {"RS256"},
		"userinfo_signing_alg_values_supported": {"RS256"}, "request_object_signing_alg_values_supported": {"RS256"}, "scopes_supported": {"openid", "offline_access"},
		"grant_types_supported": {"authorization_code", "refresh_token"}, "claims_supported": {"sub", "name", "email"}, "code_challenge_methods_supported": {"S256"},
		"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "private_key_jwt"}, "prompt_values_supported": {"none", "login"},
	} {
		for _, v := range want {
			if !mt.supports(name, v) {
				mt.t.Errorf("%s lacks %s", name, v)
			}
		}
	}
	for _, name := range []string{"claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported", "authorization_response_iss_parameter_supported"} {
		if m[name] != true {
			mt.t.Errorf("%s is %v", name, m[name])
		}
	}
	mt.publishedKeyIDs()
}

func backchannelDiscovery(mt *moduleTest) {
	mt.requireEndpoint("end_session_endpoint")
	m := mt.metadata()
	if m["backchannel_logout_supported"] != true || m["backchannel_logout_session_supported"] != true {
		mt.t.Errorf("back-channel logout: %v %v", m["backchannel_logout_supported"], m["backchannel_logout_session_supported"])
	}
}

// fapiDiscovery checks that each list of algorithms has one that the FAPI 2.0 Security Profile
// allows.
func fapiDiscovery(mt *moduleTest) {
	discovery(mt)
	mt.requireEndpoint("pushed_authorization_request_endpoint")
	m := mt.metadata()
	allowed := []any{"PS256", "ES256", "EdDSA"}
	for _, name := range []string{"dpop_signing_alg_values_supported", "id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported",
		"token_endpoint_auth_signing_alg_values_supported"} {
		list, _ := m[name].([]any)
		if !slices.ContainsFunc(list, func(v any) bool { return slices.Contains(allowed, v) }) {
			mt.t.Errorf("%s has none of %v: %v", name, allowed, list)
		}
	}
	if !mt.supports("token_endpoint_auth_methods_supported", "private_key_jwt") || !mt.supports("code_challenge_methods_supported", "S256") {
		mt.t.Error("private_key_jwt or S256 is not offered")
	}
}
