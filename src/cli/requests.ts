/** From parsed flags, the environment's and the settings file's defaults to what the rooms take. */
import { UseCaseId } from '../catalog/schema.ts';
import { defined } from '../core/defined.ts';
import { Digest } from '../core/digest.ts';
import { ProvisionError } from '../core/errors.ts';
import { didYouMean } from '../core/suggest.ts';
import { ChoicePolicy, KvType, type RunSettings } from '../fit/schema.ts';
import { type InstallRequest, Vision } from '../provision/plan/contract.ts';
import type { Settings } from '../provision/settings.ts';
import { TransferWay } from '../runtimes/contract.ts';
import { BASE_SUITE } from '../smoke/schema.ts';

interface ChoiceFlags {
  readonly quant?: string | undefined;
  readonly 'use-case'?: string | undefined;
  readonly policy?: string | undefined;
  readonly ctx?: number | undefined;
  readonly batch?: number | undefined;
  readonly parallel?: number | undefined;
  readonly 'flash-attn'?: string | undefined;
  readonly 'kv-type'?: string | undefined;
}

interface VisionFlags {
  readonly vision?: string | undefined;
  readonly projector?: string | undefined;
}

interface InstallFlags extends ChoiceFlags, VisionFlags {
  readonly from?: string | undefined;
  readonly name?: string | undefined;
  readonly family?: string | undefined;
  readonly sampling?: string | undefined;
  readonly suite?: string | undefined;
  readonly 'chat-template'?: string | undefined;
  readonly digest?: string | undefined;
  readonly via?: string | undefined;
  readonly force?: boolean | undefined;
}

export function installRequest(model: string | undefined, flags: InstallFlags, settings: Settings): InstallRequest {
  const useCase = parseUseCase(flags['use-case'] ?? settings['use-case']);
  const policy = ChoicePolicy.options.find((each) => each === flags.policy) ?? settings.policy;
  const sampling = flags.sampling ?? settings.sampling;
  const chatTemplate = chatTemplateOf(flags);
  const way = TransferWay.options.find((each) => each === flags.via);
  return {
    ...defined({
      model,
      from: flags.from,
      name: flags.name,
      family: flags.family,
      useCase,
      policy,
      sampling,
      chatTemplate,
    }),
    ...(flags.quant !== undefined && flags.quant.toLowerCase() !== 'auto' && { quant: flags.quant }),
    ...(flags.digest !== undefined && { digest: parseDigest(flags.digest) }),
    ...(way !== undefined && { way }),
    ...visionOf(flags),
    settings: settingsOf(flags),
    force: flags.force ?? false,
  };
}

/** `--vision` and `--projector`. */
export function visionOf({ vision: typed, projector }: VisionFlags): Pick<InstallRequest, 'vision' | 'projector'> {
  const vision = Vision.options.find((each) => each === typed);
  return { ...defined({ vision }), ...(projector !== undefined && { projector: { ref: projector } }) };
}

/** The suite for pretrained models says as well what the file is. */
function chatTemplateOf({ suite, ...flags }: InstallFlags): InstallRequest['chatTemplate'] {
  if (flags['chat-template'] === 'family') return 'family';
  return suite === BASE_SUITE ? 'none' : undefined;
}

/** Only the settings that were asked for. */
export function settingsOf(flags: ChoiceFlags): Partial<RunSettings> {
  const flash = flags['flash-attn'];
  const kvType = KvType.options.find((type) => type === flags['kv-type']);
  return {
    ...defined({ contextLength: flags.ctx, batch: flags.batch, parallel: flags.parallel }),
    ...(kvType !== undefined && { kvType }),
    ...(flash !== undefined && flash !== 'auto' && { flashAttention: flash === 'on' }),
  };
}

/** `--digest`, as sha256sum or a registry writes it. Throws `bad-usage`. */
export function parseDigest(text: string): `sha256:${string}` {
  const hex = text.toLowerCase().replace(/^sha256[:-]/, '');
  const digest = `sha256:${hex}` as const;
  if (Digest.safeParse(digest).success) return digest;
  throw new ProvisionError('bad-usage', `--digest ${text} is not a SHA-256 digest`, {
    suggestions: ['Write sha256: and 64 hex digits, as sha256sum prints them.'],
  });
}

/** The flag is checked by its options already; the settings file is not. */
function parseUseCase(text: string | undefined): UseCaseId | undefined {
  if (text === undefined) return undefined;
  const known = UseCaseId.options.find((useCase) => useCase === text);
  if (known !== undefined) return known;
  throw new ProvisionError('bad-configuration', `${text} is not a use case`, {
    suggestions: didYouMean(text, UseCaseId.options),
  });
}
