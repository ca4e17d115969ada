package main

import "errors"

// serveCmd is "tidemark serve".
type serveCmd struct {
	dataFlag
}

// Run implements the verb.
func (c *serveCmd) Run(*env) error { return errors.New("serve is being built") }
