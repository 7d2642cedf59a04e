// Package fault lets the fault tests break the server on purpose: named points at
// which it can be killed, held up or made to fail, and a clock that can be moved.
//
// A release build has none of it: without the build tag "faults" every function
// here is empty and the environment is not read. With the tag, WATCHWORD_FAULT_POINTS
// holds a comma-separated list of name=action, where the action is kill, error,
// or sleep:DURATION, optionally followed by @N for the N-th pass only; and
// WATCHWORD_FAULT_CLOCK holds a duration by which the clock is ahead, or the path
// of a file that holds one and is read again at every look.
package fault

// The points that the server passes. A test names them; nothing else does.
const (
	StoreBeforeCommit  = "store.before-commit" // every statement done, nothing durable yet
	StoreAfterCommit   = "store.after-commit"  // durable, nobody told yet
	RefreshConsumed    = "refresh.consumed"    // the old refresh token is spent
	SingleUseTaken     = "single-use.taken"    // a link or code is spent
	OutboxDelivered    = "outbox.delivered"    // the mail is out, its row still there
	MigrationStatement = "migration.step"      // between two migrations
)
