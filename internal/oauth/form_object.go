package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// ParseObject makes a form of a JSON object: text as it is, numbers and claims in their JSON form, a list
// only for a parameter that may be repeated.
func ParseObject(payload []byte) (Form, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		return Form{}, fmt.Errorf("read members: %w", err)
	}
	if len(members) > maxParameters {
		return Form{}, fmt.Errorf("members: want at most %d", maxParameters)
	}
	f := Form{values: map[string][]string{}}
	for name, raw := range members {
		values, err := memberValues(name, raw)
		if err != nil {
			return Form{}, err
		}
		if !slices.Contains(opaqueParameters, name) && slices.ContainsFunc(values, hasControl) {
			return Form{}, errors.New("members: want no control characters")
		}
		f.values[name] = values
	}
	return f, nil
}

func memberValues(name string, raw json.RawMessage) ([]string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil { // null counts as absent
		return []string{text}, nil
	}
	var list []string
	if slices.Contains(repeatableParameters, name) && json.Unmarshal(raw, &list) == nil {
		if len(list) > maxParameters {
			return nil, fmt.Errorf("%s: want at most %d values", name, maxParameters)
		}
		return list, nil
	}
	if name == "max_age" || name == "claims" {
		return []string{string(raw)}, nil
	}
	if slices.Contains(typedParameters, name) {
		return nil, errors.New(name + ": want text")
	}
	return nil, nil
}

// typedParameters are refused when they have the wrong type; other members are ignored then.
var typedParameters = []string{"client_id", "response_type", "response_mode", "redirect_uri", "scope", "state", "nonce", "prompt", "code_challenge",
	"code_challenge_method", "acr_values", "id_token_hint", "login_hint", "ui_locales", "dpop_jkt", "resource", "request", "request_uri"}
