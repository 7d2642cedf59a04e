-- Who registered an account whose address nobody has proved: a browser by its digest, a
-- network, an operator, or several. It goes with the proof. Export does not show it, since
-- it may be a stranger's; deletion of the account removes it.

-- +goose Up

ALTER TABLE accounts ADD COLUMN registrar TEXT NOT NULL DEFAULT '';
