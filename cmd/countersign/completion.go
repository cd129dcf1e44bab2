package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"countersign/event"
	"countersign/query"
)

func newCompletion() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes commands, flags and search text",
		Long: `Completion prints a script for your shell, which then completes commands, flags, and the fields and known
values of search text.`,
		Example: `  source <(countersign completion bash)                                # this session
  countersign completion bash > /etc/bash_completion.d/countersign     # all, with the package bash-completion
  countersign completion zsh > "${fpath[1]}/_countersign"
  countersign completion fish > ~/.config/fish/completions/countersign.fish
  countersign completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: shells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return misused("name your shell: one of %s", strings.Join(shells, ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return root.GenPowerShellCompletionWithDesc(out)
		},
	}
}

// completeQuery completes the last term of a search text: the field, or after action: and the like the value.
func completeQuery(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	start := strings.LastIndexAny(typed, " (-") + 1
	before, term := typed[:start], typed[start:]
	var found []string
	if field, value, ok := strings.Cut(term, ":"); ok {
		for _, v := range knownValues(query.Field(field)) {
			if strings.HasPrefix(v, strings.ToUpper(value)) || strings.HasPrefix(v, value) {
				found = append(found, before+field+":"+v)
			}
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
	for _, f := range query.Fields() {
		if strings.HasPrefix(string(f), term) {
			found = append(found, before+string(f)+":")
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// knownValues are the usual values of a field.
func knownValues(f query.Field) []string {
	switch f {
	case query.Action:
		return event.KnownActions()
	case query.ResourceType:
		return event.KnownTypes()
	case query.Source:
		return event.KnownSources()
	case query.Outcome:
		return []string{event.OutcomeSuccess, event.OutcomeFailure, event.OutcomeWarning, event.OutcomeUnknown}
	case query.ActorType:
		return []string{event.ActorStandard, event.ActorService, event.ActorSystem}
	}
	return nil
}

// completeFlag completes the values of a flag. It fails when there is no such flag or it is done already,
// which the first use of the command would show.
func completeFlag(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

func completeSort(cmd *cobra.Command) {
	var sorts []string
	for _, f := range query.Fields() {
		sorts = append(sorts, string(f)+":asc", string(f)+":desc")
	}
	completeFlag(cmd, "sort", sorts...)
}
