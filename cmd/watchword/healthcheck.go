package main

import (
	"fmt"
	"net/http"
	"time"
)

type healthcheckCmd struct{}

// Run queries the management listener. It is for containers and supervisors.
func (healthcheckCmd) Run(e *env) error {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	if err := devDefaults(cfg); err != nil {
		return err
	}
	client := http.Client{Timeout: 3 * time.Second}
	req, err := http.NewRequestWithContext(e.ctx, http.MethodGet, "http://"+cfg.Manage+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", resp.Status)
	}
	return e.print(map[string]string{"status": "ready"}, "ready")
}
