import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, choiceFlags, hostProfileFlags, runtimeFlags } from '../cli/flags.ts';
import { installText } from '../cli/render/install.ts';
import { installRequest } from '../cli/requests.ts';
import type { InstallReport } from '../provision/schema.ts';

export default class Install extends BaseCommand<InstallReport> {
  static override summary = 'choose the quant, get verified bytes, create the model, test it, record it';
  static override description =
    'The new model gets its name only after it passed its smoke test under a staging name; a failure leaves what answered before. Running the same install again moves no byte.';
  static override examples = [
    { description: 'the tiny model that ships with this tool', command: '<%= config.bin %> install tiny-gemma-3n' },
    {
      description: 'a file of your own into Ollama',
      command: '<%= config.bin %> install gemma-3n-e4b:q4_k_m --from ./gemma-3n-e4b-it-q4_k_m.gguf',
    },
    {
      description: 'the best quant in a folder for this machine',
      command: '<%= config.bin %> install gemma-3n-e4b --from ./models --use-case chatbot',
    },
    { description: "Ollama's own build", command: '<%= config.bin %> install --from ollama:gemma3n:e4b' },
    {
      description: 'what would happen',
      command: '<%= config.bin %> install gemma-3n-e4b --from ./models --dry-run --json',
    },
  ];
  static override args = {
    model: Args.string({
      ignoreStdin: true,
      description: 'a model of the catalog, with a quant if you like: gemma-3n-e4b:q5_k_m',
    }),
  };
  static override flags = {
    ...runtimeFlags,
    ...choiceFlags,
    ...hostProfileFlags,
    ...catalogFlags,
    from: Flags.string({ helpValue: 'REF', description: 'a GGUF file, a folder of them, or ollama:NAME' }),
    name: Flags.string({ helpValue: 'NAME', description: 'name in the runtime (default: the model with its quant)' }),
    family: Flags.string({ helpValue: 'FAMILY', description: 'family of a file that the catalog does not know' }),
    sampling: Flags.string({ helpValue: 'PROFILE', description: 'sampling profile of the catalog: card or google' }),
    digest: Flags.string({ helpValue: 'sha256:…', description: 'what the bytes must be' }),
    suite: Flags.string({ helpValue: 'FILE', description: 'a smoke suite of your own' }),
    'accept-license': Flags.boolean({ description: 'accept the licence of the model; recorded once for this host' }),
    'dry-run': Flags.boolean({ description: 'print the plan and change nothing' }),
    'no-smoke': Flags.boolean({ description: 'do not test the model' }),
    force: Flags.boolean({ description: 'install although it is in place, does not fit, or the name is taken' }),
  };

  override async run(): Promise<InstallReport> {
    const { args, flags } = await this.parse(Install);
    const services = await this.services(flags);
    const request = installRequest(args.model, flags, services.settings);
    const provisioning = await services.provisioning(flags);
    const plan = await provisioning.plan(request);
    if (flags['dry-run']) {
      const report = provisioning.dryRun(plan, request.force);
      this.log(installText(report, this.terminal));
      return report;
    }
    await services.acceptLicence(plan.family.licence, { accepted: flags['accept-license'], terminal: this.terminal });
    const smoke = flags['no-smoke'] ? undefined : await services.suite(flags.suite ?? plan.model.smokeSuite);
    const report = await this.progress(
      provisioning.install(plan, { force: request.force, ...(smoke && { suite: smoke }) }),
    );
    this.log(installText(report, this.terminal));
    return report;
  }
}
