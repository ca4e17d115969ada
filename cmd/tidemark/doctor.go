package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"tidemark/cmd/internal/app"
)

// doctorCmd is "tidemark doctor". The settings that it judges are those of serve, and
// come from the same places.
type doctorCmd struct {
	dataFlag

	Listen       string   `help:"Where the server is to listen, to be judged." default:"127.0.0.1:8080" env:"TIDEMARK_LISTEN" placeholder:"HOST:PORT"`
	PublicURL    string   `help:"How browsers reach the server, to be judged." name:"public-url" env:"TIDEMARK_PUBLIC_URL" placeholder:"URL"`
	TrustedProxy []string `help:"Networks of proxies, to be judged." env:"TIDEMARK_TRUSTED_PROXY" placeholder:"CIDR"`
	CORSOrigin   []string `help:"Origins whose pages may evaluate flags, to be judged." name:"cors-origin" env:"TIDEMARK_CORS_ORIGIN" placeholder:"ORIGIN"`
	TLS          tlsFlags `embed:"" prefix:"tls-" envprefix:"TIDEMARK_TLS_"`
	JSON         bool     `help:"Print a JSON object." name:"json"`
}

// Run implements the verb.
func (c *doctorCmd) Run(e *env) error {
	o, err := c.options(e)
	if err != nil {
		return err
	}
	o.Listen, o.PublicURL, o.Origins, o.TLS, o.Version = c.Listen, c.PublicURL, c.CORSOrigin, c.TLS.files(), version()
	if o.Proxies, err = proxyNetworks(c.TrustedProxy); err != nil {
		return err
	}
	x, err := app.Diagnose(e.ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(e.stdout).Encode(x)
	} else {
		err = printExamination(plain{e.stdout}, x)
	}
	if err == nil && !x.OK() {
		err = errors.New(x.Trouble())
	}
	return err
}

func printExamination(w io.Writer, x *app.Examination) error {
	for _, c := range x.Checks {
		if _, err := fmt.Fprintf(w, "%-4s  %s: %s\n", c.Level, c.Name, c.Text); err != nil {
			return err
		}
		if c.Do == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "      → %s\n", c.Do); err != nil {
			return err
		}
	}
	return nil
}
