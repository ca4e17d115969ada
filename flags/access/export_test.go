package access

import "context"

// Hold takes every place for work on passwords until the returned function is called.
func (p *Passwords) Hold() (release func()) {
	var leave []func()
	for range passwordsAtOnce {
		l, err := p.enter(context.Background())
		if err != nil {
			panic(err)
		}
		leave = append(leave, l)
	}
	return func() {
		for _, l := range leave {
			l()
		}
	}
}
