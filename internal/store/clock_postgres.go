package store

import (
	"context"
	"time"
)

// ClockTolerance is the difference between the clocks of this machine and of the database up to
// which a node accepts what another node has just issued.
const ClockTolerance = 3 * time.Second

// ClockSkew returns how far the clock of this machine is ahead of the database's, to half a round
// trip. It is negative when behind, and zero for SQLite, which uses the same clock.
func (db *DB) ClockSkew(ctx context.Context) (skew time.Duration, err error) {
	pg, ok := db.backend.(*postgresDB)
	if !ok {
		return 0, nil
	}
	err = pg.readOne(ctx, func(q querier) error {
		sentAt := db.cfg.Now()
		remote, err := queryRow(q, func(s scanner, t *time.Time) error { return s.Scan(timeDest(t)) },
			"SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
		skew = sentAt.Add(db.cfg.Now().Sub(sentAt) / 2).Sub(remote)
		return err
	})
	return skew, db.translateError(err)
}
