package store

import (
	"context"
	"time"
)

// ClockTolerance is the harmless difference between the clocks of this machine and of the
// database. Within it, a node accepts what another one has just issued.
const ClockTolerance = 3 * time.Second

// ClockSkew is how far the clock of this machine is ahead of the database's, to half a round
// trip. It is negative when behind, and zero for SQLite, which has no clock of its own.
func (db *DB) ClockSkew(ctx context.Context) (skew time.Duration, err error) {
	pg, ok := db.backend.(*postgresDB)
	if !ok {
		return 0, nil
	}
	err = pg.readOne(ctx, func(q querier) error {
		asked := db.cfg.Now()
		theirs, err := queryRow(q, func(s scanner, t *time.Time) error { return s.Scan(timeDest(t)) },
			"SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
		skew = asked.Add(db.cfg.Now().Sub(asked) / 2).Sub(theirs)
		return err
	})
	return skew, db.translateError(err)
}
