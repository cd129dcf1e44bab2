package main

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"countersign/identity"
)

var scheduleResource = resource{
	name: "schedule", under: "report ", plural: "report-schedules", short: "Reports that are made again and again",
	columns: []column{{"ID", "id"}, {"NAME", "name"}, {"FRAMEWORK", "framework"}, {"CRON", "cron"}, {"TIME ZONE", "time_zone"}, {"PERIOD", "period"},
		{"ENABLED", "enabled"}, {"NEXT RUN", "next_run"}},
	example: `  countersign report schedule create --name 'PCI DSS, each quarter' --framework pci-dss --cron '0 6 1 1,4,7,10 *' --time-zone Europe/Zurich --period previous_quarter
  countersign report schedule create --name 'House rules' --framework house-rules.yaml --cron @monthly --period previous_month --account acme`,
	create: func(cmd *cobra.Command) func() (any, error) {
		var n identity.NewSchedule
		var framework string
		f := cmd.Flags()
		f.StringVar(&n.Name, "name", "", "name (required)")
		f.StringVar(&framework, "framework", "", "id of a framework, or a file with one (required)")
		f.StringVar(&n.Cron, "cron", "", "minute, hour, day of the month, month, day of the week; or @daily, @weekly, @monthly, @yearly (required)")
		f.StringVar(&n.TimeZone, "time-zone", "UTC", "time zone of the times, such as Europe/Zurich")
		f.StringVar(&n.Period, "period", "", "previous_day, previous_week, previous_month, previous_quarter or previous_year (required)")
		f.StringArrayVar(&n.Accounts, "account", nil, "only this account; may be given more than once")
		return func() (any, error) {
			switch {
			case framework == "":
				return nil, misused("--framework is required: an id that 'countersign report frameworks' lists, or a file")
			case n.Cron == "" || n.Period == "" || n.Name == "":
				return nil, misused("--name, --cron and --period are required")
			}
			var err error
			n.Framework, n.FrameworkFile, err = frameworkGiven(framework)
			if err != nil {
				return nil, err
			}
			return given(n)
		}
	},
	updateExample: `  countersign report schedule update ID --cron '0 7 1 * *'
  countersign report schedule disable ID`,
	update: func(m *members) {
		m.text("name", "name", "name")
		m.text("cron", "cron", "when")
		m.text("time_zone", "time-zone", "time zone of the times")
		m.text("period", "period", "previous_day, previous_week, previous_month, previous_quarter or previous_year")
		m.list("accounts", "account", "only this account; may be given more than once, '' for all")
	},
	switches: true,
}

// frameworkGiven tells the id of a framework from the name of a file with one, which it reads.
func frameworkGiven(name string) (id, file string, err error) {
	if !strings.ContainsAny(name, "./\\") {
		return name, "", nil
	}
	f, err := readFramework(name)
	if err != nil {
		return "", "", err
	}
	return "", string(f.Text), nil
}

func newScheduleRuns() *cobra.Command {
	cmd := &cobra.Command{
		Use: "runs ID", Short: "Show what became of a schedule's runs", Args: exactArgs("an ID"),
		Long:    "Runs lists the last runs of a schedule, the newest first: what they were over, whether there is a report, and why not.",
		Example: "  countersign report schedule runs ID",
	}
	connect, output := serverFlags(cmd), outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		r := resource{
			plural:  scheduleResource.plural + "/" + url.PathEscape(args[0]) + "/runs",
			columns: []column{{"DUE", "due"}, {"FROM", "from"}, {"TO", "to"}, {"STATE", "state"}, {"ATTEMPTS", "attempts"}, {"REPORT", "report"}, {"REASON", "reason"}},
		}
		items, err := r.all(cmd, connect, url.Values{})
		if err != nil {
			return err
		}
		if *output == "json" {
			return printJSON(cmd.OutOrStdout(), items)
		}
		return r.table(cmd.OutOrStdout(), items)
	}
	return cmd
}
