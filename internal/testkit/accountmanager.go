package testkit

import (
	"fmt"
	"strings"

	"countersign/event"
)

// The sign-in methods, which are the resource types of sign-ins, and how often they are used.
var (
	methods       = []string{"BASIC_AUTH_MFA", "SSO_SAML", "BASIC_AUTH", "SSO_OIDC", "SSO_SAML_MFA", "CLIENT_AUTH_CERT", "SSO_OIDC_MFA", "CLIENT_AUTH_CERT_MFA", "DIGEST_AUTH"}
	methodWeights = []int{32, 25, 15, 10, 6, 5, 3, 2, 2}
)

var browsers = []string{"Firefox 128 on Windows", "Firefox 128 on Linux", "Firefox 128 on macOS", "Safari 18 on iOS"}

// strangers are names that were typed in and belong to nobody.
var strangers = []string{
	"admin", "root", "jane.smith@exmaple.com", "admin' OR '1'='1", "<script>alert(1)</script>", "alice.smith@bank.example.com ", "админ",
	"two\nlines", "\u202enimda", "Jane\tDoe", `EXAMPLE\administrator`, "\U0001f511", "%00", "null", "-1",
}

// act begins an event of Account Manager that the user did.
func (d *drawer) act(u *User, action, resourceType string) event.Event {
	ev := d.fact(action, resourceType)
	ev.Actor = event.Actor{ID: event.TextOf(u.ID), Name: event.TextOf(u.Name()), Type: event.ActorStandard}
	if u.Service {
		ev.Actor.Type = event.ActorService
	}
	if u.Division != "" {
		division := d.e.division(u.Division)
		ev.Division = event.Division{ID: event.TextOf(division.ID), Name: event.TextOf(division.Name)}
	}
	ev.Client = event.Client{IP: event.TextOf(u.clientIP), Country: event.TextOf(u.country)}
	if !u.Service && d.oneIn(6) { // at home or on the road
		ev.Client.IP = event.TextOf(fmt.Sprintf("192.0.2.%d", 100+d.r.IntN(150)))
	}
	return ev
}

// fact begins an event of Account Manager that nobody did.
func (d *drawer) fact(action, resourceType string) event.Event {
	return event.Event{
		ID:         uuid(d.r),
		OccurredAt: seconds(d.at),
		Account:    event.Account{ID: d.account.ID, Name: event.TextOf(d.account.Name)},
		Actor:      event.Actor{Type: event.ActorSystem},
		Action:     action,
		Resource:   event.Resource{Type: resourceType},
		Outcome:    event.OutcomeSuccess,
		Source:     SourceAccountManager,
	}
}

// done fills in the resource and what was said of it. Some records are kept as the vendor wrote them.
func (d *drawer) done(ev event.Event, id, name, description string) event.Event {
	ev.Resource.ID, ev.Resource.Name = event.TextOf(id), event.TextOf(name)
	ev.Description = event.TextOf(description)
	if d.oneIn(20) {
		ev.Raw = event.TextOf(string(encode(itemOf(&ev))))
	}
	return ev
}

func (d *drawer) signIn() event.Event {
	u := d.person()
	ev := d.act(u, "LOGIN", weighted(d.r, methods, methodWeights))
	if d.oneIn(2) {
		ev.Detail = event.TextOf(pick(d.r, browsers))
	}
	return d.done(ev, u.ID, u.Name(), "Signed in")
}

func (d *drawer) signOut() event.Event {
	u := d.person()
	ev := d.act(u, "LOGOUT", weighted(d.r, methods, methodWeights))
	return d.done(ev, u.ID, u.Name(), pick(d.r, []string{"Signed out", "Signed out after 15 minutes without activity"}))
}

func (d *drawer) signInError() event.Event {
	u := d.person()
	ev := d.act(u, "LOGIN_ERROR", weighted(d.r, methods, methodWeights))
	ev.Outcome = event.OutcomeFailure
	ev.Detail = event.TextOf(fmt.Sprintf("Attempt %d of 5\r\n%s", 1+d.r.IntN(5), pick(d.r, browsers)))
	reason := pick(d.r, []string{"Wrong password", "Wrong password", "Wrong password", "Wrong one-time code", "The account is locked", "The client certificate has expired", "The assertion is too old"})
	if !d.oneIn(12) {
		return d.done(ev, u.ID, u.Name(), reason)
	}
	name := pick(d.r, strangers)
	ev.Actor = event.Actor{Name: event.TextOf(name), Type: event.ActorStandard}
	ev.Division = event.Division{}
	ev.Resource.Name = event.TextOf(name)
	ev.Description = event.TextOf("There is no user of this name")
	return ev
}

func (d *drawer) ownAccount() event.Event {
	u := d.person()
	switch d.r.IntN(6) {
	case 0:
		return d.done(d.act(u, "UPDATE_TOTP", "USER"), u.ID, u.Name(), "One-time codes were set up anew")
	case 1:
		return d.done(d.act(d.manager(), "SEND_RESET_PASSWORD", "USER"), u.ID, u.Name(), "A link to reset the password was sent to "+u.Email)
	case 2:
		return d.done(d.act(u, "TERMS_AND_CONDITIONS", "USER"), u.ID, u.Name(), "The terms and conditions were accepted")
	}
	return d.done(d.act(u, "UPDATE_PASSWORD", "USER"), u.ID, u.Name(), "The password was changed")
}

func (d *drawer) manageUser() event.Event {
	u, action := d.other(), weighted(d.r, []string{"UPDATE", "CREATE", "ENABLED", "DISABLED", "DELETE"}, []int{10, 4, 2, 2, 2})
	ev := d.act(d.manager(), action, "USER")
	switch action {
	case "CREATE", "DELETE": // people who come and go; the estate has those who stay
		name := pick(d.r, firstNames).ascii + "." + pick(d.r, lastNames).ascii + fmt.Sprint(1+d.r.IntN(99)) + "@" + d.account.Domain
		return d.done(ev, uuid(d.r), name, said(action, "User", name))
	case "UPDATE":
		ev.Attributes = []event.Attribute{
			{Name: "after.phone", Value: u.Phone},
			{Name: "before.phone", Value: fmt.Sprintf("+1 202-555-01%02d", d.r.IntN(100))},
		}
	}
	d.ticket(&ev)
	return d.done(ev, u.ID, u.Name(), said(action, "User", u.Name()))
}

func (d *drawer) manageService() event.Event {
	u, action := d.serviceUser(), weighted(d.r, []string{"UPDATE", "ENABLED", "DISABLED"}, []int{6, 1, 1})
	if d.oneIn(3) {
		name := fmt.Sprintf("trial-%d", 1+d.r.IntN(999))
		action = pick(d.r, []string{"CREATE", "DELETE"})
		return d.done(d.act(d.manager(), action, "SERVICE_USER"), uuid(d.r), name, said(action, "Service user", name))
	}
	ev := d.act(d.manager(), action, "SERVICE_USER")
	d.ticket(&ev)
	return d.done(ev, u.ID, u.Name(), said(action, "Service user", u.Name()))
}

func (d *drawer) manageToken() event.Event {
	u, action := d.person(), weighted(d.r, []string{"CREATE", "UPDATE", "DELETE", "DISABLED", "ENABLED"}, []int{8, 4, 5, 2, 1})
	if d.oneIn(4) {
		u = d.serviceUser()
	}
	if action == "UPDATE" || action == "ENABLED" {
		t := d.token()
		return d.done(d.act(u, action, "APIKEY"), t.ID, t.Name, said(action, "API token", t.Name))
	}
	name := fmt.Sprintf("%s-%d", pick(d.r, []string{"laptop", "script", "dashboard", "pipeline", "test"}), 1+d.r.IntN(9999))
	return d.done(d.act(u, action, "APIKEY"), uuid(d.r), name, said(action, "API token", name))
}

func (d *drawer) manageCertificate() event.Event {
	u, action := d.person(), pick(d.r, []string{"CREATE", "CREATE", "DELETE", "DISABLED"})
	return d.done(d.act(u, action, "CLIENT_AUTH_CERT"), uuid(d.r), randomHex(d.r, 16), said(action, "Client certificate", "of "+u.Name()))
}

// changeRole never makes an administrator: that is a story.
func (d *drawer) changeRole() event.Event {
	u := d.other()
	roles := []string{RoleViewOnly, RoleUserManager}
	before := d.r.IntN(2)
	ev := d.act(d.manager(), "UPDATE", "ROLE")
	ev.Attributes = []event.Attribute{{Name: "after.role", Value: roles[1-before]}, {Name: "before.role", Value: roles[before]}}
	d.ticket(&ev)
	return d.done(ev, u.ID, roles[1-before], "Role "+roles[1-before]+" was given to "+u.Name())
}

func (d *drawer) configure() event.Event {
	kind := pick(d.r, []string{"SAML2_CONFIG", "OIDC_CONFIG", "OAUTH_CONFIG", "OAUTH_CLIENT"})
	action := pick(d.r, []string{"CREATE", "UPDATE", "UPDATE", "DELETE"})
	name := strings.ToLower(kind[:strings.IndexByte(kind, '_')]) + "." + d.account.Domain
	ev := d.act(d.manager(), action, kind)
	if d.oneIn(5) {
		ev.Outcome = event.OutcomeFailure
		ev.Detail = event.TextOf("The metadata could not be read:\r\n<EntityDescriptor entityID=\"https://" + name + "\">")
	}
	d.ticket(&ev)
	return d.done(ev, uuid(d.r), name, said(action, "Configuration", name))
}

func (d *drawer) changeAccount() event.Event {
	action := pick(d.r, []string{"UPDATE", "FEATURE_ENABLED", "FEATURE_DISABLED", "LICENSE_REGISTERED"})
	if action == "LICENSE_REGISTERED" {
		name := fmt.Sprintf("LIC-%06d", d.r.IntN(1_000_000))
		return d.done(d.act(d.manager(), action, "LICENSE"), uuid(d.r), name, "License "+name+" was registered")
	}
	ev := d.act(d.manager(), action, "ACCOUNT")
	d.ticket(&ev)
	return d.done(ev, d.account.ID, d.account.Name, said(action, "Account", d.account.Name))
}

// sendMail is what the vendor's system sends by itself.
func (d *drawer) sendMail() event.Event {
	switch d.r.IntN(7) {
	case 0:
		return d.done(d.fact("LOW_LICENSE_WARNING_SENT", "LICENSE"), d.account.ID, d.account.Name, fmt.Sprintf("%d seats are left", d.r.IntN(20)))
	case 1:
		return d.done(d.fact("ACCOUNT_EXPIRY_EMAIL_SENT", "ACCOUNT"), d.account.ID, d.account.Name, "The service ends on "+d.account.ServiceTo.Format("2006-01-02"))
	case 2:
		u := d.other()
		return d.done(d.fact("CLIENT_AUTH_CERT_EXPIRY_EMAIL_SENT", "CLIENT_AUTH_CERT"), u.ID, randomHex(d.r, 16), "A client certificate of "+u.Name()+" expires in 30 days")
	case 3:
		u := d.serviceUser()
		return d.done(d.fact("SERVICE_USER_EXPIRY_EMAIL_SENT", "SERVICE_USER"), u.ID, u.Name(), "The service user expires in 14 days")
	case 4:
		name := "saml2." + d.account.Domain
		return d.done(d.fact("SAML_IDP_CERT_EXPIRY_EMAIL_SENT", "SAML2_CONFIG"), d.account.ID, name, "The certificate of the identity provider expires in 7 days")
	}
	t := d.token()
	return d.done(d.fact("API_ACCESS_TOKEN_EXPIRY_EMAIL_SENT", "APIKEY"), t.ID, t.Name, "The API token "+t.Name+" expires in 30 days")
}

// ticket notes the change request on some changes.
func (d *drawer) ticket(ev *event.Event) {
	if d.oneIn(3) {
		ev.Attributes = append(ev.Attributes, event.Attribute{Name: "ticket", Value: fmt.Sprintf("CHG-%d", 1000+d.r.IntN(9000))})
	}
}

// said is the sentence that goes with an action.
func said(action, what, name string) string {
	done := map[string]string{
		"CREATE": "created", "UPDATE": "changed", "DELETE": "deleted", "ENABLED": "enabled", "DISABLED": "disabled",
		"FEATURE_ENABLED": "given a feature", "FEATURE_DISABLED": "deprived of a feature",
	}[action]
	return what + " " + name + " was " + done
}
