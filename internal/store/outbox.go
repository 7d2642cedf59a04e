package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/watchword-auth/watchword/internal/auth"
	"github.com/watchword-auth/watchword/internal/secret"
)

// OutboxLimit is the default of Config.OutboxLimit. Mails and logout notices are counted
// separately, so that a client that does not respond blocks no mail. Beyond it, a change that
// needs a mail is refused as Unavailable, so that an unreachable mail server cannot fill the disk;
// a logout notice is dropped. OutboxBacklog counts the messages, not Enqueue, because its writers
// would conflict on PostgreSQL. So the messages between two polls may exceed the limit.
const OutboxLimit = 100_000

func messageContext(tenant, id string) string { return "outbox " + tenant + "/" + id }

// Enqueue stores a mail, sealed, in the transaction of the change that causes it. Mails to one
// address are delivered in this order.
func (tx *Tx) Enqueue(kind auth.MessageKind, mail auth.Mail) error {
	return tx.enqueue(kind, mail.To, mail)
}

// Notify enqueues a notice to the owner of an account. It skips an unverified address, which may
// belong to another user.
func (tx *Tx) Notify(a auth.Account, kind auth.MessageKind, mail auth.Mail) error {
	if !a.Verified() {
		return nil
	}
	mail.To, mail.Name, mail.Locale, mail.At = a.Email.Address, a.Name, a.Locale, tx.Now
	return tx.Enqueue(kind, mail)
}

// NotifySessionsEnded notifies the owner of an account that sessions ended because a token was
// copied. A full outbox is no error: it must not keep a stolen session alive.
func (tx *Tx) NotifySessionsEnded(id auth.AccountID, actor auth.Actor) error {
	a, err := tx.Account(id)
	if err != nil {
		return err
	}
	err = tx.Notify(a, auth.MailSessionsEnded, auth.Mail{IP: actor.IP})
	if auth.KindOf(err) == auth.KindUnavailable {
		return nil
	}
	return err
}

// EnqueueLogout stores a notice to a client that a session has ended. Each session has a queue
// of its own, so that no notice waits for another.
func (tx *Tx) EnqueueLogout(n auth.LogoutNotice) error {
	return tx.enqueue(auth.LogoutBackchannel, "session "+string(n.Session), n)
}

func (tx *Tx) enqueue(kind auth.MessageKind, queue string, content any) error {
	id := secret.NewID(tx.Now)
	payload, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if tx.db.outboxFull[messageLane(kind)].Load() {
		return auth.Unavailable(fmt.Errorf("the outbox holds more than %d messages", tx.db.cfg.OutboxLimit), time.Minute)
	}
	tx.queued = true
	return insert(tx.q, `INSERT INTO outbox (tenant_id, id, kind, queue, sealed, created_at, due_at, attempts)
		VALUES ($1, $2, $3, $4, $5, $6, $6, 0)`,
		tx.tenant, id, kind, secret.Digest(queue), tx.db.cfg.Keyring.Seal(messageContext(string(tx.tenant), id), payload), millis(tx.Now))
}

// The lanes of the outbox, each with a count of its own.
const (
	laneMail = iota
	laneLogout
	laneCount
)

func messageLane(kind auth.MessageKind) int {
	if kind == auth.LogoutBackchannel {
		return laneLogout
	}
	return laneMail
}

// ClaimedMessage is a message that one worker may deliver until its lease ends.
type ClaimedMessage struct {
	auth.Message
	Lease string
	// DecodeErr is set when the payload cannot be read. Such a message can only be given up.
	DecodeErr error
}

type claimedRow struct {
	ClaimedMessage
	sealed []byte
}

func (r *claimedRow) decode(plain []byte) error {
	if r.Kind == auth.LogoutBackchannel {
		return json.Unmarshal(plain, &r.Logout)
	}
	return json.Unmarshal(plain, &r.Payload)
}

// ClaimMessages leases up to n due messages. It claims only the oldest one of each queue:
// messages to one address stay in order, and no two workers hold the same one. The kind begins
// with the given word; an empty word selects all.
func (tx *SystemTx) ClaimMessages(lease string, until time.Time, kinds string, n int) ([]ClaimedMessage, error) {
	rows, err := queryRows(tx.q, func(s scanner, c *claimedRow) error {
		return s.Scan(&c.Tenant, &c.ID, &c.Kind, &c.sealed, timeDest(&c.CreatedAt), &c.Attempts)
	}, `UPDATE outbox SET lease = $1, lease_until = $2, attempts = attempts + 1
		WHERE (tenant_id, id) IN (
			SELECT o.tenant_id, o.id FROM outbox o
			WHERE o.due_at <= $3 AND (o.lease_until IS NULL OR o.lease_until <= $3)
			AND o.kind LIKE $4
			AND NOT EXISTS (SELECT 1 FROM outbox older WHERE older.tenant_id = o.tenant_id AND older.queue = o.queue AND older.id < o.id)
			ORDER BY o.due_at LIMIT $5)
		RETURNING tenant_id, id, kind, sealed, created_at, attempts`,
		lease, millis(until), millis(tx.Now), kinds+"%", n)
	if err != nil {
		return nil, err
	}
	out := make([]ClaimedMessage, 0, len(rows))
	for _, r := range rows {
		r.Lease = lease
		plain, err := tx.db.cfg.Keyring.Open(messageContext(string(r.Tenant), string(r.ID)), r.sealed)
		if err == nil {
			err = r.decode(plain)
		}
		r.DecodeErr = err
		out = append(out, r.ClaimedMessage)
	}
	return out, nil
}

// FinishMessage removes a message that was delivered or given up, if the lease still holds.
func (tx *SystemTx) FinishMessage(m ClaimedMessage) error {
	return execRow(tx.q, "DELETE FROM outbox WHERE tenant_id = $1 AND id = $2 AND lease = $3", m.Tenant, m.ID, m.Lease)
}

// ExtendMessage extends the lease of a message until the given time. It returns ErrNotFound when
// another worker has claimed the message.
func (tx *SystemTx) ExtendMessage(m ClaimedMessage, until time.Time) error {
	return execRow(tx.q, "UPDATE outbox SET lease_until = $1 WHERE tenant_id = $2 AND id = $3 AND lease = $4", millis(until), m.Tenant, m.ID, m.Lease)
}

// DelayMessage releases a message, to be retried at due.
func (tx *SystemTx) DelayMessage(m ClaimedMessage, due time.Time, reason string) error {
	return execRow(tx.q, `UPDATE outbox SET due_at = $1, lease = NULL, lease_until = NULL, last_error = $2
		WHERE tenant_id = $3 AND id = $4 AND lease = $5`, millis(due), reason, m.Tenant, m.ID, m.Lease)
}

// OutboxBacklog returns the number of waiting messages and the age of the oldest. Its result
// decides whether Enqueue accepts more.
func (tx *SystemTx) OutboxBacklog() (n int64, oldest time.Time, err error) {
	type row struct {
		n, logouts int64
		oldest     time.Time
	}
	r, err := queryRow(tx.q, func(s scanner, r *row) error { return s.Scan(&r.n, &r.logouts, timeDest(&r.oldest)) },
		"SELECT count(*), count(*) FILTER (WHERE kind = $1), min(created_at) FROM outbox", auth.LogoutBackchannel)
	if err == nil {
		tx.db.outboxFull[laneLogout].Store(r.logouts > tx.db.cfg.OutboxLimit)
		tx.db.outboxFull[laneMail].Store(r.n-r.logouts > tx.db.cfg.OutboxLimit)
	}
	return r.n, r.oldest, err
}
