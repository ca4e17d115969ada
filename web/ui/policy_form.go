package ui

import (
	"tidemark/flags"
	"tidemark/flags/policy"
	"tidemark/views/page"
)

// fillPolicyForms is how to change a policy: its text, whether it has a say, its end.
func (u *UI) fillPolicyForms(m *page.Policy, p *policy.Policy, versions []flags.DocumentVersion, t *policyAttempt) {
	base := int64(0)
	if len(versions) > 0 {
		base = versions[0].Revision
	}
	hidden := []page.Hidden{{Name: "base", Value: revisionText(base)}}
	m.Edit = &page.Form{
		ID: "edit", Title: "Change it", Open: true, Button: "Store as revision " + revisionText(base+1), Action: policyURL(p.Name), Hidden: hidden,
		Does: "Stored, it is in force at once, for what is read and for events. The way back: restore an earlier revision.",
	}
	if p.Base && p.Revision == 0 {
		m.Edit.Does = "Stored, it takes the place of the program’s own at once. The way back: delete it, and the program’s is in force again."
	}
	shown := t
	if shown == nil {
		shown = &policyAttempt{cedar: p.Cedar, description: p.Description}
	} else {
		m.Edit.Problems, _, _ = t.problems()
	}
	m.Edit.Fields = policyFields(shown)
	if !p.Enabled {
		m.Edit.Hidden = append(m.Edit.Hidden, page.Hidden{Name: "enabled", Value: "no"})
	}
	m.Forms = append(m.Forms, policySwitch(p, hidden))
	if p.Revision > 0 {
		m.Forms = append(m.Forms, policyDelete(p, hidden))
	}
}

func policySwitch(p *policy.Policy, hidden []page.Hidden) page.Form {
	f := page.Form{
		ID: "switch", Title: "Switch off", Button: "Switch the policy off", Danger: true, Action: policyURL(p.Name) + "/switch",
		Does:   "It decides nothing from then on: what it alone permits is denied, and what it forbids is for the others to say. The way back: switch it on here.",
		Fields: []page.Field{whyField("switch-reason")},
	}
	value := "no"
	if !p.Enabled {
		f.Title, f.Button, f.Danger, value = "Switch on", "Switch the policy on", false, "yes"
		f.Does = "It decides again, at once. The way back: switch it off here."
	}
	f.Hidden = append([]page.Hidden{{Name: "enabled", Value: value}}, hidden...)
	return f
}

func policyDelete(p *policy.Policy, hidden []page.Hidden) page.Form {
	f := page.Form{
		ID: "delete", Title: "Delete", Button: "Delete the policy", Danger: true, Action: policyURL(p.Name) + "/delete", Hidden: hidden,
		Does:   "It decides nothing from then on. The way back: restore a revision; the history stays.",
		Fields: []page.Field{whyField("delete-reason")},
	}
	if p.Base {
		f.Title, f.Button, f.Danger = "Back to the program’s own", "Take the program’s own", false
		f.Does = "The policy that comes with the program is in force again. The way back: restore a revision; the history stays."
	}
	return f
}
