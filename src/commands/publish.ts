import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.ts';
import { catalogFlags, runtimeFlags, signFlags } from '../cli/flags.ts';
import { publishText } from '../cli/render/bundle.ts';
import type { PublishData } from '../provision/share/publish.ts';

export default class Publish extends BaseCommand<PublishData> {
  static override summary = 'Push an installed model to an OCI registry.';
  static override description =
    'The artifact is a ModelPack (CNCF) with the GGUF file, lock file, chat template, Modelfile, licence and smoke suite. Content that the registry already has is not sent again. Uses the logins of docker and podman, or GEMMA_PROVISION_OCI_USERNAME, _PASSWORD and _REGISTRY. A password is never sent to a token server on another host.';
  static override examples = [
    '<%= config.bin %> publish gemma-3n-e4b:q4_k_m registry.example.com/models/gemma-3n-e4b:q4_k_m',
    {
      description: 'then, on every host',
      command: '<%= config.bin %> install --from oci:registry.example.com/models/gemma-3n-e4b:q4_k_m',
    },
    {
      description: 'signed; hosts verify it with install --key ./key.pub, or bundle-key in their configuration',
      command:
        '<%= config.bin %> publish gemma-3n-e4b:q4_k_m registry.example.com/models/gemma-3n-e4b:q4_k_m --sign ./key.pem --model-version 3',
    },
  ];
  static override args = {
    name: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'name of the installed model, as shown by list',
    }),
    ref: Args.string({ required: true, ignoreStdin: true, description: 'HOST/REPOSITORY:TAG' }),
  };
  static override flags = {
    ...runtimeFlags,
    ...catalogFlags,
    ...signFlags,
    'plain-http': Flags.boolean({ description: 'connect to the registry without TLS, even for passwords' }),
  };

  override async run(): Promise<PublishData> {
    const { args, flags } = await this.parse(Publish);
    const app = await this.app(flags);
    const { publish } = await import('../provision/share/publish.ts');
    const data = await this.progress(publish(app, args.name, args.ref, flags));
    this.log(publishText(data));
    return data;
  }
}
