package passkey

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/watchword-auth/watchword/internal/secret"
)

// Response is what the response of an authenticator says before it is verified.
type Response struct {
	ID        []byte // of the passkey
	Challenge string // as in Ceremony
}

// maxID is the longest credential ID (WebAuthn §4).
const maxID = 1023

// ParseResponse reads a RegistrationResponseJSON or AuthenticationResponseJSON without verifying it.
// It returns an error that wraps ErrRefused for any other text.
func ParseResponse(raw []byte) (Response, error) {
	var in struct {
		ID       string `json:"id"`
		Response struct {
			ClientData string `json:"clientDataJSON"`
		} `json:"response"`
	}
	if err := checkSize(raw); err != nil {
		return Response{}, err
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Response{}, refused(err)
	}
	id, err := secret.Decode(in.ID)
	if err != nil || len(id) == 0 || len(id) > maxID {
		return Response{}, refused(errors.Join(errors.New("its id is no credential ID"), err))
	}
	data, err := secret.Decode(in.Response.ClientData)
	if err != nil {
		return Response{}, refused(fmt.Errorf("clientDataJSON: %w", err))
	}
	var client struct {
		Challenge string `json:"challenge"`
	}
	if err := json.Unmarshal(data, &client); err != nil {
		return Response{}, refused(fmt.Errorf("clientDataJSON: %w", err))
	}
	return Response{ID: id, Challenge: client.Challenge}, nil
}

// SignalAccepted returns the options of signalAllAcceptedCredentials (WebAuthn §5.1.10): which
// passkeys of the user still work.
func (r *RelyingParty) SignalAccepted(u User) []byte {
	ids := make([]string, len(u.Passkeys))
	for i, p := range u.Passkeys {
		ids[i] = secret.Encode(p.ID)
	}
	return encode(map[string]any{"rpId": r.id, "userId": secret.Encode(u.Handle), "allAcceptedCredentialIds": ids})
}

// SignalDetails returns the options of signalCurrentUserDetails (WebAuthn §5.1.10): the names of the
// user.
func (r *RelyingParty) SignalDetails(u User) []byte {
	return encode(map[string]any{"rpId": r.id, "userId": secret.Encode(u.Handle), "name": u.Name, "displayName": u.Display})
}

// SignalUnknown returns the options of signalUnknownCredential (WebAuthn §5.1.10): the passkey with
// the given ID works no longer.
func (r *RelyingParty) SignalUnknown(id []byte) []byte {
	return encode(map[string]any{"rpId": r.id, "credentialId": secret.Encode(id)})
}

// encode encodes a map of strings, which cannot fail.
func encode(v map[string]any) []byte {
	out, _ := json.Marshal(v)
	return out
}
