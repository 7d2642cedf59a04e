// Package fault lets the fault tests break the server on purpose: named fault points at which it
// can be killed, delayed or made to fail, and a clock that can be moved.
//
// A release build contains none of it: without the build tag "faults" every function of this
// package is empty and the environment is not read. With the tag, WATCHWORD_FAULT_POINTS holds a
// comma-separated list of name=action, where the action is kill, error, or sleep:DURATION,
// optionally followed by @N for the N-th pass only. WATCHWORD_FAULT_CLOCK holds a duration by
// which the clock is ahead, or the path of a file that holds one and is read at each call of Now.
package fault

// The fault points of the server. Only tests name them.
const (
	StoreBeforeCommit  = "store.before-commit" // all statements executed, nothing durable yet
	StoreAfterCommit   = "store.after-commit"  // durable, not acknowledged yet
	RefreshConsumed    = "refresh.consumed"    // the old refresh token is consumed
	SingleUseConsumed  = "single-use.taken"    // a link or code is consumed
	OutboxDelivered    = "outbox.delivered"    // the mail is sent, its row not deleted yet
	MigrationStatement = "migration.step"      // between two migrations
)
