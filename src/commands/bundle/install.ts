import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.ts';
import { catalogFlags, keepFlags, keyFlags, runtimeFlags } from '../../cli/flags.ts';
import { installText } from '../../cli/render/install.ts';
import { installRequest } from '../../cli/requests.ts';
import type { BundleInstallData } from '../../provision/share/bundle.ts';

export default class BundleInstall extends BaseCommand<BundleInstallData> {
  static override summary = 'Install a model from a bundle, without a network.';
  static override description =
    'Verifies the whole bundle before it contacts a server: every digest, the header of the model and, with a key, the signature and that the version is not older than one that was installed before. Template, parameters, licence and smoke suite come from the bundle.';
  static override examples = [
    '<%= config.bin %> bundle install ./gemma-3n-e4b.tar',
    '<%= config.bin %> bundle install ./gemma-3n-e4b.tar --key ./publisher.pub --accept-license',
  ];
  static override args = {
    file: Args.string({ required: true, ignoreStdin: true, description: 'bundle file' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...catalogFlags,
    ...keepFlags,
    ...keyFlags,
    name: Flags.string({ helpValue: 'NAME', description: 'name in the runtime (default: the name in the bundle)' }),
    'accept-license': Flags.boolean({ description: 'accept the licence of the model; recorded once for this host' }),
    'dry-run': Flags.boolean({ description: 'verify the bundle and print the plan, without changing the runtime' }),
    'no-smoke': Flags.boolean({ description: 'skip the smoke test' }),
    force: Flags.boolean({
      description: 'install even if it is already installed, does not fit, is an older version, or the name is taken',
    }),
  };

  override async run(): Promise<BundleInstallData> {
    const { args, flags } = await this.parse(BundleInstall);
    const app = await this.app(flags);
    const { installBundle } = await import('../../provision/share/bundle.ts');
    // A bundle holds for all hosts, so the settings of this one do not apply to it.
    const request = installRequest(undefined, flags, {});
    const data = await this.progress(installBundle(app, args.file, request, flags, this.consent(flags)));
    this.log(installText(data.install, this.terminal));
    return data;
  }
}
