package oidc

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/watchword-auth/watchword/internal/auth"
)

const (
	maxClaims     = 8 << 10 // bytes of the claims parameter
	maxClaimNames = 100
	maxClaimName  = 128
)

// claimRequest is the request of a single claim (OpenID Connect Core §5.5.1).
type claimRequest struct {
	Essential bool  `json:"essential"`
	Value     any   `json:"value"`
	Values    []any `json:"values"`
}

// stringValues returns the values of which the claim must have one.
func (c *claimRequest) stringValues() (out []string) {
	if c == nil {
		return nil
	}
	for _, v := range append([]any{c.Value}, c.Values...) {
		if s, ok := v.(string); ok && s != "" {
			out = append(out, s)
		}
	}
	return out
}

// parseClaims reads the claims parameter (OpenID Connect Core §5.5). Unknown
// names are stored and have no effect; members other than userinfo and id_token are
// ignored.
func parseClaims(raw string) (auth.ClaimsRequest, error) {
	var out auth.ClaimsRequest
	if len(raw) > maxClaims {
		return out, errors.New("the claims parameter is too long")
	}
	var both struct {
		UserInfo map[string]*claimRequest `json:"userinfo"`
		IDToken  map[string]*claimRequest `json:"id_token"`
	}
	if raw[0] != '{' {
		return out, errors.New("the claims parameter is not an object")
	}
	if err := json.Unmarshal([]byte(raw), &both); err != nil {
		return out, errors.New("the claims parameter is not the JSON of OpenID Connect Core §5.5")
	}
	var err error
	if out.UserInfo, err = claimNames(both.UserInfo); err != nil {
		return out, err
	}
	if out.IDToken, err = claimNames(both.IDToken); err != nil {
		return out, err
	}
	return out, readEssentialClaims(&out, both.IDToken, both.UserInfo)
}

func claimNames(requested map[string]*claimRequest) ([]string, error) {
	var names []string
	for name := range requested {
		if name == "" || len(name) > maxClaimName {
			return nil, errors.New("the name of a claim is empty or too long")
		}
		names = append(names, name)
	}
	if len(names) > maxClaimNames {
		return nil, errors.New("too many claims")
	}
	slices.Sort(names)
	return names, nil
}

// readEssentialClaims reads the required subject and an essential acr (§5.5.1, §5.5.1.1).
func readEssentialClaims(out *auth.ClaimsRequest, both ...map[string]*claimRequest) error {
	for _, requested := range both {
		subs := requested["sub"].stringValues()
		if len(subs) > 1 || len(subs) == 1 && out.Subject != "" && out.Subject != subs[0] {
			return errors.New("sub has more than one value")
		}
		if len(subs) == 1 {
			out.Subject = subs[0]
		}
		if acr := requested["acr"]; acr != nil && acr.Essential && out.ACR == nil {
			out.ACR = acr.stringValues()
		}
	}
	return nil
}
