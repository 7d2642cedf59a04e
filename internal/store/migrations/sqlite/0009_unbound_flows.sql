-- Clean-up finds the flows of posted requests that no browser has continued. Anyone can make them, and
-- once they have expired nobody can continue them. No new table.

-- +goose Up

CREATE INDEX flows_unbound_idx ON flows (expires_at) WHERE browser = '';
