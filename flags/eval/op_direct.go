package eval

import "slices"

// Most rules are an "if" about whether an attribute is in a list, and no more. Such parts
// are evaluated directly, without a value in between; whoever wants to know why is led
// through the general form, which gives the same.

// inList is {"in": [{"var": PATH}, [TEXT, …]]}.
type inList struct {
	op
	what  *variable
	texts []string
	many  map[string]struct{} // texts, when they are more than are soon compared
}

// fewTexts is up to how many are sooner compared than hashed.
const fewTexts = 8

// newInList returns nil when the operands are not a variable and a literal list. What of
// the list is no text cannot be equal to one, which is all that texts are asked for.
func newInList(general op) *inList {
	what, isVariable := general.args[0].(*variable)
	literal, isLiteral := general.args[1].(*constant)
	if !isVariable || !isLiteral {
		return nil
	}
	list, ok := literal.value.([]any)
	if !ok {
		return nil
	}
	o := &inList{op: general, what: what}
	for _, v := range list {
		if s, isText := v.(string); isText {
			o.texts = append(o.texts, s)
		}
	}
	if len(o.texts) > fewTexts {
		o.many = make(map[string]struct{}, len(o.texts))
		for _, s := range o.texts {
			o.many[s] = struct{}{}
		}
	}
	return o
}

func (o *inList) eval(e *env, at *scope) (any, error) {
	if e.trace != nil {
		return o.op.eval(e, at)
	}
	return o.holds(e, at)
}

func (o *inList) holds(e *env, at *scope) (bool, error) {
	s, isText := o.what.find(e, at).(string)
	if !isText {
		v, err := o.do(e, at, o.args)
		return v == true, err
	}
	if o.many != nil {
		_, ok := o.many[s]
		return ok, nil
	}
	return slices.Contains(o.texts, s), nil
}

// choice is {"if": [CONDITION, THEN, …, ELSE]}.
type choice struct {
	op
	branches  []branch
	otherwise node // nil: null
}

type branch struct {
	list *inList // the condition, when it is of that form
	when node
	then node
}

func newChoice(general op) *choice {
	c := &choice{op: general}
	args := general.args
	for ; len(args) >= 2; args = args[2:] {
		list, _ := args[0].(*inList)
		c.branches = append(c.branches, branch{list: list, when: args[0], then: args[1]})
	}
	if len(args) == 1 {
		c.otherwise = args[0]
	}
	return c
}

func (c *choice) eval(e *env, at *scope) (any, error) {
	if e.trace != nil {
		return c.op.eval(e, at)
	}
	for i := range c.branches {
		b := &c.branches[i]
		yes, err := b.holds(e, at)
		if err != nil {
			return nil, err
		}
		if yes {
			return b.then.eval(e, at)
		}
	}
	if c.otherwise == nil {
		return nil, nil
	}
	return c.otherwise.eval(e, at)
}

func (b *branch) holds(e *env, at *scope) (bool, error) {
	if b.list != nil {
		return b.list.holds(e, at)
	}
	v, err := b.when.eval(e, at)
	return truthy(v), err
}

// direct returns the node of an operator that has no form of its own.
func direct(name string, general op) node {
	switch name {
	case "in":
		if o := newInList(general); o != nil {
			return o
		}
	case "if", "?:":
		return newChoice(general)
	}
	return &general
}
