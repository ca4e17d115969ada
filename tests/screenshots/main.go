// Command screenshots pictures each page of a running demonstration, wide and
// narrow, light and dark, so that a person can look at them side by side.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidemark/tests/browser"
	"tidemark/tests/tidemark"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1)
	}
}

type options struct {
	bin, url, signIn, out, readme string
	only                          string
	wait                          time.Duration
	rollouts                      bool
}

func run(args []string) error {
	var o options
	fs := flag.NewFlagSet("screenshots", flag.ContinueOnError)
	fs.StringVar(&o.bin, "bin", "bin/tidemark", "program to start a demonstration with")
	fs.StringVar(&o.url, "url", "", "picture this running server instead, such as http://127.0.0.1:8080")
	fs.StringVar(&o.signIn, "sign-in", "", "a sign-in link of that server")
	fs.StringVar(&o.out, "out", ".cache/screenshots", "folder for the pictures")
	fs.StringVar(&o.readme, "readme", "", "file for the README's picture: the front page, wide and light")
	fs.StringVar(&o.only, "only", "", "picture only pages whose address begins with one of these, divided by commas, such as /access,/audit")
	fs.DurationVar(&o.wait, "wait", 75*time.Second, "how long the demonstration runs before it is pictured")
	fs.BoolVar(&o.rollouts, "rollouts", false, "picture a demonstration's rollouts from their beginning to their end instead")
	if err := fs.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if o.url == "" {
		s, err := tidemark.Run(o.bin, nil, "demo")
		if err != nil {
			return err
		}
		defer s.Kill()
		o.url, o.signIn = s.URL, s.SignIn
		if o.rollouts {
			return pictureRollouts(ctx, o)
		}
		fmt.Printf("waiting %s for traffic\n", o.wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(o.wait):
		}
	}
	if o.rollouts {
		return pictureRollouts(ctx, o)
	}
	return picture(ctx, o)
}

func picture(ctx context.Context, o options) error {
	b, err := browser.Open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	first, err := b.Tab(browser.Look{Width: browser.Wide, Height: 900})
	if err != nil {
		return err
	}
	if err := first.SignIn(o.signIn); err != nil {
		return err
	}
	pages, err := browser.Crawl(first, o.url)
	if err != nil {
		return err
	}
	first.Close()
	if o.only != "" {
		pages = slices.DeleteFunc(pages, func(p browser.Page) bool {
			return !slices.ContainsFunc(strings.Split(o.only, ","), func(begin string) bool { return strings.HasPrefix(p.Path, begin) })
		})
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", o.out, err)
	}
	for _, look := range looks() {
		if err := pictureAll(b, look, pages, o); err != nil {
			return err
		}
	}
	return nil
}

// looks are the four ways in which each page is looked at.
func looks() []browser.Look {
	return []browser.Look{
		{Width: browser.Wide, Height: 900, Still: true},
		{Width: browser.Wide, Height: 900, Still: true, Dark: true},
		{Width: browser.Narrow, Height: 844, Still: true},
		{Width: browser.Narrow, Height: 844, Still: true, Dark: true},
	}
}

func theme(look browser.Look) string {
	if look.Dark {
		return "dark"
	}
	return "light"
}

func pictureAll(b *browser.Browser, look browser.Look, pages []browser.Page, o options) error {
	t, err := b.Tab(look)
	if err != nil {
		return err
	}
	defer t.Close()
	for _, p := range pages {
		if _, err := t.Go(o.url + p.Path); err != nil {
			return err
		}
		if err := t.Until(`document.documentElement.classList.contains("js")`, 10*time.Second); err != nil {
			return err
		}
		png, err := t.Picture()
		if err != nil {
			return err
		}
		file := filepath.Join(o.out, fmt.Sprintf("%s-%d-%s.png", name(p), look.Width, theme(look)))
		if err := os.WriteFile(file, png, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		fmt.Println(file)
		if o.readme != "" && p.Kind == "/" && look.Width == browser.Wide && !look.Dark {
			if err := os.WriteFile(o.readme, png, 0o644); err != nil {
				return fmt.Errorf("write %s: %w", o.readme, err)
			}
		}
	}
	return nil
}

// name turns the kind of a page into the name of a file: "/features/*" is
// features-one.
func name(p browser.Page) string {
	s := strings.ReplaceAll(strings.Trim(p.Kind, "/"), "/", "-")
	if s == "" {
		return "overview"
	}
	return strings.ReplaceAll(s, "*", "one")
}
