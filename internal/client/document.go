package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/limit"
	"github.com/watchword-auth/watchword/internal/oauth"
	"github.com/watchword-auth/watchword/internal/store"
)

// Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document): the client_id is the
// URL of a document in which the client describes itself. The client is stored like any other, and
// the document is read again when the stored one is old.

const (
	documentFresh  = 15 * time.Minute // a document that was read is not read again for this long
	documentRetry  = time.Minute      // no new request for this long after a failure
	documentMaxAge = 24 * time.Hour   // the last document stays usable for this long while requests fail
	maxFailures    = 4096             // entries
)

// Limits on new clients with documents: by the requesting address, by the host of the document and by
// tenant. A document that cannot be read counts only for the address, so invented URLs do not use up
// the limits of a host or of the tenant.
var (
	newDocuments       = limit.Rate{Count: 60, Per: time.Hour, Burst: 30}
	newDocumentsOfHost = limit.Rate{Count: 60, Per: time.Hour, Burst: 30}
	newDocumentsOfAll  = limit.Rate{Count: 2400, Per: time.Hour, Burst: 600}
)

// documents remembers the URLs that have just failed, so that requests to this server do not cause
// repeated requests to other servers.
type documents struct {
	fetches singleflight.Group // one request for all callers that wait for a document
	mu      sync.Mutex         // guards failed
	failed  map[string]time.Time
}

func (ds *documents) recentlyFailed(id string, now time.Time) bool {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	at, ok := ds.failed[id]
	return ok && now.Sub(at) < documentRetry
}

func (ds *documents) recordFailure(id string, now time.Time) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if len(ds.failed) >= maxFailures {
		clear(ds.failed)
	}
	ds.failed[id] = now
}

// ParseDocumentID checks a client_id that is the URL of a document: https, a path, no query, fragment,
// user or dot segment.
func ParseDocumentID(id string) (auth.ClientID, error) {
	bad := func(message string) (auth.ClientID, error) {
		return "", auth.Invalid(auth.CodeClientIDInvalid, "client_id", message)
	}
	if len(id) > auth.MaxClientID {
		return bad("client_id: too long")
	}
	if _, err := auth.ParseWebURI("client_id", id); err != nil {
		return "", err
	}
	u, err := url.Parse(id)
	switch {
	case err != nil || u.Path == "" || u.Path == "/":
		return bad("client_id: the URL of a metadata document must have a path")
	case strings.Contains(id, "?"):
		return bad("client_id: the URL of a metadata document must have no query")
	case u.Host != strings.ToLower(u.Host):
		return bad("client_id: the host must be in lower case")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return bad("client_id: the URL of a metadata document must have no dot segments")
		}
	}
	return auth.ClientID(id), nil
}

// AcceptsDocuments reports whether a client_id may be the URL of a metadata document.
func (s *Service) AcceptsDocuments() bool { return s.cfg.Documents }

// refreshDocument makes sure that a client whose id is the URL of a document is stored and not too
// old. It ignores every other id. It returns auth.ErrNotFound when there is no usable document.
// Requests for unknown documents are counted.
func (s *Service) refreshDocument(ctx context.Context, tenant auth.TenantID, id auth.ClientID, actor auth.Actor) error {
	if !strings.HasPrefix(string(id), "https://") {
		return nil
	}
	if !s.cfg.Documents { // stored documents cannot be used then either
		return documentNotFound(errors.New("client metadata documents are disabled"))
	}
	if _, err := ParseDocumentID(string(id)); err != nil {
		return documentNotFound(err)
	}
	before, err := s.Get(ctx, tenant, id)
	known, now := err == nil, s.cfg.Now()
	switch age := now.Sub(before.Settings.DocumentAt); {
	case err != nil && auth.KindOf(err) != auth.KindNotFound:
		return err
	case known && (age < documentFresh || before.Disabled()):
		return nil
	case known && s.documents.recentlyFailed(string(id), now) && age < documentMaxAge:
		return nil
	case s.documents.recentlyFailed(string(id), now):
		return documentNotFound(errors.New("the last request for it failed less than a minute ago"))
	}
	if !known {
		if _, err := limit.TakeAll(ctx, s.cfg.Limiter, limit.AddressBuckets("client.document.ip", actor.Addr(), newDocuments)...); err != nil {
			return err
		}
	}
	_, err, _ = s.documents.fetches.Do(string(tenant)+" "+string(id), func() (any, error) {
		// The result is for all waiting callers, so it is not canceled with one request; the
		// client for it has a time-out of its own.
		return nil, s.fetchAndStore(context.WithoutCancel(ctx), tenant, id)
	})
	return err
}

func documentNotFound(reason error) error {
	return fmt.Errorf("client document: %w: %w", auth.ErrNotFound, reason)
}

// fetchAndStore fetches the document and stores it, unless another request has just done so.
func (s *Service) fetchAndStore(ctx context.Context, tenant auth.TenantID, id auth.ClientID) error {
	before, err := s.Get(ctx, tenant, id)
	known, now := err == nil, s.cfg.Now()
	var taken []limit.Bucket
	switch {
	case err != nil && auth.KindOf(err) != auth.KindNotFound:
		return err
	case known && now.Sub(before.Settings.DocumentAt) < documentFresh:
		return nil
	case !known:
		taken = documentBuckets(tenant, id)
		if _, err := limit.TakeAll(ctx, s.cfg.Limiter, taken...); err != nil {
			return err
		}
	}
	c, err := s.readDocument(ctx, id, before)
	if err != nil {
		limit.RefundAll(ctx, s.cfg.Limiter, s.cfg.Log, taken...)
		s.documents.recordFailure(string(id), now)
		if known && now.Sub(before.Settings.DocumentAt) < documentMaxAge {
			s.cfg.Log.Warn("a client's document cannot be read; the previous one stays in use", "client_id", string(id), "error", err)
			return nil
		}
		return documentNotFound(err)
	}
	return s.storeDocument(ctx, tenant, before, c)
}

func documentBuckets(tenant auth.TenantID, id auth.ClientID) []limit.Bucket {
	host, _, _ := strings.Cut(strings.TrimPrefix(string(id), "https://"), "/")
	return []limit.Bucket{
		{Key: "client.document.host|" + string(tenant) + "|" + host, Rate: newDocumentsOfHost},
		{Key: "client.document|" + string(tenant), Rate: newDocumentsOfAll},
	}
}

// readDocument fetches the document and checks it. Package outbound refuses responses from the
// server's own network and from intermediaries.
func (s *Service) readDocument(ctx context.Context, id auth.ClientID, before auth.Client) (auth.Client, error) {
	body, err := s.FetchDocument(ctx, string(id))
	if err != nil {
		return auth.Client{}, err
	}
	m, err := ParseDocument(id, body)
	if err != nil {
		return auth.Client{}, err
	}
	c, err := s.applyMetadata(ctx, m, before)
	if err != nil {
		return c, err
	}
	c.ID = id
	return c, nil
}

// ParseDocument parses the document at the given client_id. The document must name that client_id and
// must hold no secret, since anyone can read it.
func ParseDocument(id auth.ClientID, body []byte) (ClientMetadata, error) {
	var m struct {
		ClientMetadata
		ID      string          `json:"client_id"`
		Secret  json.RawMessage `json:"client_secret"`
		Expires json.RawMessage `json:"client_secret_expires_at"`
	}
	if err := unmarshalMetadata(body, &m); err != nil {
		return m.ClientMetadata, err
	}
	if m.Auth == "" {
		m.Auth = auth.AuthNone
	}
	switch {
	case m.ID != string(id):
		return m.ClientMetadata, oauth.Refuse(oauth.InvalidClientMetadata, "client_id: the URL of the document")
	case m.Secret != nil || m.Expires != nil:
		return m.ClientMetadata, oauth.Refuse(oauth.InvalidClientMetadata, "client_secret: not allowed in a document that anyone can read")
	case m.Auth != auth.AuthNone && m.Auth != auth.AuthPrivateKeyJWT:
		return m.ClientMetadata, oauth.Refuse(oauth.InvalidClientMetadata, "token_endpoint_auth_method: private_key_jwt or none")
	}
	return m.ClientMetadata, nil
}

// storeDocument stores a document, unless the client was changed while the document was read. A
// client whose type or sector has changed is a new client: the sessions and consents of the former
// one end.
func (s *Service) storeDocument(ctx context.Context, tenant auth.TenantID, former, c auth.Client) error {
	var next auth.Client
	for more := true; more; {
		err := s.cfg.DB.Write(ctx, tenant, func(tx *store.Tx) (err error) {
			next, more, err = storeDocumentTx(tx, former, c)
			return err
		})
		former = next
		if errors.Is(err, auth.ErrConflict) { // another request has just stored it
			return nil
		}
		if err != nil {
			return fmt.Errorf("store client document: %w", err)
		}
	}
	return nil
}

// replacedAt is the DocumentAt of a client that has replaced another one, while sessions of that one may
// remain. The document counts as old, so the next use reads it again.
var replacedAt = time.UnixMilli(1).UTC()

// storeDocumentTx is one transaction of storeDocument. It returns the stored client, and reports
// whether sessions of the former client remain. Those end in batches, so that no other write waits
// for all of them. The last transaction also ends sessions that began meanwhile.
func storeDocumentTx(tx *store.Tx, former, c auth.Client) (stored auth.Client, more bool, err error) {
	c.Settings.DocumentAt, c.CreatedAt, c.UpdatedAt = tx.Now, tx.Now, tx.Now
	before, err := tx.Client(c.ID)
	unknown := errors.Is(err, auth.ErrNotFound)
	if err != nil && !unknown || !unknown && Version(before) != Version(former) {
		return before, false, err
	}
	c.DisabledAt = before.DisabledAt
	change := ""
	switch {
	case unknown:
	case before.Type != c.Type:
		change = "document_changed_type"
	case !sameSubjects(before, c):
		change = "document_changed_sector"
	case !before.Settings.DocumentAt.Equal(replacedAt):
		return before, false, tx.UpdateClient(c)
	}
	n, err := tx.EndClientSessions(c.ID, endAtOnce, auth.EndClient)
	switch {
	case err != nil || n == endAtOnce:
		return before, true, err
	case unknown:
		if err := recordClient(tx, c.ID, "document_read", auth.System); err != nil {
			return c, false, err
		}
		return c, false, tx.InsertClient(c)
	case change == "":
		return before, false, tx.UpdateClient(c)
	}
	stored, err = replaceStored(tx, c, change)
	return stored, true, err
}

// replaceStored replaces a client with a new one of the same id. Nothing that was issued to the former
// client works for the new one. See replacedAt for when the new one is complete.
func replaceStored(tx *store.Tx, c auth.Client, change string) (auth.Client, error) {
	if err := tx.DeleteClientCodes(c.ID); err != nil {
		return c, err
	}
	if err := tx.DeleteClient(c.ID); err != nil {
		return c, err
	}
	c.Settings.DocumentAt = replacedAt
	if err := tx.InsertClient(c); err != nil {
		return c, err
	}
	if err := recordClient(tx, c.ID, change, auth.System); err != nil {
		return c, err
	}
	return tx.Client(c.ID)
}
