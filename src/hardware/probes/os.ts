import * as z from 'zod';
import { attempt, type ProbeContext, readOptional, runWithTimeout } from '../probe-context.ts';
import type { HostProfile } from '../schema.ts';

const SystemOs = z.object({ distro: z.string(), release: z.string() });
const PLATFORMS = ['linux', 'darwin', 'win32', 'freebsd'] as const;

export async function probeOs(context: ProbeContext): Promise<HostProfile['os']> {
  const { options, probes, sources } = context;
  const [found, wsl, container] = await Promise.all([
    attempt(context, 'Asking systeminformation for the operating system', async () =>
      SystemOs.parse(await probes.systemInformation.osInfo()),
    ),
    probeWsl(context),
    probeContainer(context),
  ]);
  // WSL is a virtual machine of its own host; saying so would only hide that it is WSL.
  const virtualMachine = wsl ? undefined : await probeVirtualMachine(context);
  sources['os.platform'] = 'process.platform';
  sources['os.distribution'] = found === undefined ? 'process.platform' : 'systeminformation osInfo()';
  return {
    platform: PLATFORMS.find((platform) => platform === options.platform) ?? 'other',
    distribution: found?.distro || options.platform,
    release: found?.release || options.release,
    wsl,
    ...(container !== undefined && { container }),
    ...(virtualMachine !== undefined && { virtualMachine }),
  };
}

async function probeWsl(context: ProbeContext): Promise<boolean> {
  const { options, sources } = context;
  if (options.platform !== 'linux') return false;
  const version = (await readOptional(context, '/proc/version')) ?? '';
  const byKernel = /microsoft|wsl/i.test(`${version} ${options.release}`);
  sources['os.wsl'] = 'whether /proc/version mentions Microsoft';
  return byKernel;
}

/** Words in a cgroup path → the container engine that makes such paths. */
const CGROUP_WORDS = [
  ['kubepods', 'kubernetes'],
  ['libpod', 'podman'],
  ['docker', 'docker'],
  ['containerd', 'containerd'],
  ['lxc', 'lxc'],
] as const;

/** `kubernetes`, `podman`, `docker`, `lxc`, …, or undefined outside a container. The surest sign first. */
export async function probeContainer(context: ProbeContext): Promise<string | undefined> {
  const { options, sources } = context;
  if (options.platform !== 'linux') return undefined;
  const [podman, docker, systemd, cgroup] = await Promise.all(
    ['/run/.containerenv', '/.dockerenv', '/run/systemd/container', '/proc/self/cgroup'].map((path) =>
      readOptional(context, path),
    ),
  );
  const word = CGROUP_WORDS.find(([part]) => new RegExp(`[/:-]${part}`).test(cgroup ?? ''));
  const signs: [string | undefined, string][] = [
    [options.env.KUBERNETES_SERVICE_HOST && 'kubernetes', 'KUBERNETES_SERVICE_HOST is set'],
    [word?.[1] === 'kubernetes' ? 'kubernetes' : undefined, '/proc/self/cgroup'],
    [podman === undefined ? undefined : 'podman', '/run/.containerenv is there'],
    [docker === undefined ? undefined : 'docker', '/.dockerenv is there'],
    [systemd?.trim() || undefined, '/run/systemd/container'],
    [options.env.container, 'the variable `container`'],
    [word?.[1], '/proc/self/cgroup'],
  ];
  const sign = signs.find(([name]) => name !== undefined && name !== '');
  if (sign !== undefined) sources['os.container'] = sign[1];
  return sign?.[0];
}

const SystemData = z.object({ virtual: z.boolean(), virtualHost: z.string().optional(), model: z.string() });

/** Words in the DMI vendor and product → hypervisor. */
const DMI_WORDS = [
  [/vmware/i, 'vmware'],
  [/virtualbox|innotek/i, 'virtualbox'],
  [/microsoft corporation.*virtual machine/i, 'hyper-v'],
  [/parallels/i, 'parallels'],
  [/xen/i, 'xen'],
  [/bochs/i, 'bochs'],
  [/qemu|kvm|openstack|droplet|google compute engine|amazon ec2|alibaba cloud|hetzner/i, 'kvm'],
] as const;

/**
 * The hypervisor under us, or undefined on bare metal. On Linux the firmware's own words (DMI) and the CPU flag
 * `hypervisor` decide: systeminformation searches dmesg for "kvm", which hosts of virtual machines log as well.
 */
export async function probeVirtualMachine(context: ProbeContext): Promise<string | undefined> {
  return context.options.platform === 'linux' ? onLinux(context) : elsewhere(context);
}

async function onLinux(context: ProbeContext): Promise<string | undefined> {
  const { probes, sources } = context;
  const [vendor, product, flags] = await Promise.all([
    readOptional(context, '/sys/class/dmi/id/sys_vendor'),
    readOptional(context, '/sys/class/dmi/id/product_name'),
    runWithTimeout(context, async () => z.string().parse(await probes.systemInformation.cpuFlags())),
  ]);
  const firmware = `${vendor ?? ''} ${product ?? ''}`;
  const named = DMI_WORDS.find(([words]) => words.test(firmware))?.[1];
  // Clouds sell bare metal under the same vendor name; there the CPU does not say `hypervisor`.
  const metal = /\.metal\b|bare ?metal/i.test(firmware);
  const flagged = flags.status === 'done' && /\bhypervisor\b/.test(flags.value);
  if (named !== undefined && !metal) {
    sources['os.virtualMachine'] = '/sys/class/dmi/id';
    return named;
  }
  if (!flagged) return undefined;
  sources['os.virtualMachine'] = 'the CPU flag `hypervisor`';
  return 'unknown';
}

async function elsewhere(context: ProbeContext): Promise<string | undefined> {
  const found = await attempt(context, 'Asking systeminformation for the machine', async () =>
    SystemData.parse(await context.probes.systemInformation.system()),
  );
  if (found?.virtual !== true) return undefined;
  context.sources['os.virtualMachine'] = 'systeminformation system()';
  return (found.virtualHost || found.model || 'unknown').toLowerCase();
}
