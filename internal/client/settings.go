package client

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/watchword-auth/watchword/internal/auth"
)

// The settings of a client are the fields of Registration that have a name in JSON, most of them
// those of auth.ClientSettings. Their tags hold everything else about them.

// settings are the fields of a Registration by name, bounds those of an operator's bounds, and
// metadata those of auth.ClientSettings that a client may set itself.
var (
	settings = fieldsByName(reflect.TypeFor[Registration]())
	bounds   = fieldsByName(reflect.TypeFor[auth.ClientBounds]())
	metadata = clientMetadata()
)

// fieldsByName returns the fields of a struct, embedded ones included, by their names in JSON.
func fieldsByName(t reflect.Type) map[string]reflect.StructField {
	out := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			out[name] = f
		}
	}
	return out
}

func clientMetadata() map[string]reflect.StructField {
	out := fieldsByName(reflect.TypeFor[auth.ClientSettings]())
	maps.DeleteFunc(out, func(_ string, f reflect.StructField) bool { return f.Tag.Get("metadata") == "" })
	return out
}

// mergeSettings returns the settings of sent that a client may set itself, and the remaining settings of kept.
func mergeSettings(sent, kept auth.ClientSettings) auth.ClientSettings {
	from, to := reflect.ValueOf(sent), reflect.ValueOf(&kept).Elem()
	for _, f := range metadata {
		to.FieldByIndex(f.Index).Set(from.FieldByIndex(f.Index))
	}
	return kept
}

// requiredMetadata are the members of client metadata, other than the settings, that are refused when
// their type is wrong.
var requiredMetadata = []string{"redirect_uris", "id_token_encrypted_response_alg", "userinfo_encrypted_response_alg", "request_object_encryption_alg",
	"introspection_encrypted_response_alg", "authorization_encrypted_response_alg"}

// replaceable reports whether the server may leave out the value of a client that describes
// itself (RFC 7591 §3.2.1).
func replaceable(name string) bool {
	if f, ok := metadata[name]; ok {
		return f.Tag.Get("metadata") == "optional"
	}
	return !slices.Contains(requiredMetadata, name)
}

// Patch applies an operator's JSON object to the registration. It also sets the members that Bounds
// has in Bounds. An absent or null member changes nothing, except that null removes jwks. A value
// replaces the former one as a whole. Refusals are Invalid: member_unknown, member_invalid.
func (r *Registration) Patch(object []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return auth.Invalid(auth.CodeMemberInvalid, "", "a JSON object is expected")
	}
	to, bound := reflect.ValueOf(r).Elem(), reflect.ValueOf(&r.Bounds).Elem()
	for _, name := range slices.Sorted(maps.Keys(members)) {
		f, ok := settings[name]
		if !ok {
			return auth.Invalid(auth.CodeMemberUnknown, auth.Clip(name, 64), auth.Clip(name, 64)+": unknown setting")
		}
		if string(members[name]) == "null" && f.Type != reflect.TypeFor[json.RawMessage]() {
			continue // programs send null for what they do not change, and no default may replace a restriction
		}
		v := reflect.New(f.Type) // never the former value, whose memory may be shared
		if err := json.Unmarshal(members[name], v.Interface()); err != nil {
			return auth.Invalid(auth.CodeMemberInvalid, name, name+": "+jsonType(f.Type)+" is expected")
		}
		to.FieldByIndex(f.Index).Set(v.Elem())
		// Redirect URIs are bound by newBounds, once either list has changed.
		if b, ok := bounds[name]; ok && !strings.HasSuffix(name, "redirect_uris") {
			bound.FieldByIndex(b.Index).Set(v.Elem())
		}
	}
	return nil
}

// jsonType names the JSON type of a setting.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list of strings"
	}
	return "a number or an object" // a pointer: unset is not zero
}

// EncodeSetting returns the value of a setting in JSON. The text of a string setting becomes a JSON
// string; the text of flags, numbers, lists and objects is JSON already.
func EncodeSetting(name, text string) json.RawMessage {
	if f, ok := settings[name]; ok && f.Type.Kind() == reflect.String {
		b, _ := json.Marshal(text)
		return b
	}
	return json.RawMessage(text)
}

// AppendEmpty appends the empty flags and lists of a registration to its JSON object, since the
// encoder leaves them out.
func AppendEmpty(object []byte, r Registration) []byte {
	object = object[:len(object)-1]
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		v := reflect.ValueOf(r).FieldByIndex(settings[name].Index)
		switch {
		case v.Kind() == reflect.Bool && !v.Bool():
			object = append(object, `,"`+name+`":false`...)
		case v.Kind() == reflect.Slice && v.Type() != reflect.TypeFor[json.RawMessage]() && v.Len() == 0:
			object = append(object, `,"`+name+`":[]`...)
		}
	}
	return append(object, '}')
}
