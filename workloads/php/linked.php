<?php
/*
 * Twin of the workload linked: objects that live on in one container, and cyclic graphs that die at once and each hold
 * one pointer into it. Prints one line of JSON; README.md says how the collector's runs are timed.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';

const USAGE = <<<'TEXT'
usage: php linked.php [--objects=N] [--steps=N] [--graphs=N] [--linked=0|1] [--touch=N]

  --objects=N   that live on (default 200000)
  --steps=N     iterations (default 4000)
  --graphs=N    of 11 objects in an iteration (default 100)
  --linked=1    each graph holds one pointer to the container (default); 0: none
  --touch=N     live objects that a variable takes and leaves again after each graph (default 0)

TEXT;

const CHAIN_OBJECTS = 10;
const SAMPLES_PER_STEP = 16;
const TOUCH_STRIDE = 7919;
/** A round longer than this is looked at for a run of the collector. */
const SUSPICIOUS_NS = 20000;

class Node
{
    public $a;
    public $b;
    public $c;
}

/** What is measured on the way. */
class Observed
{
    public array $pauses = [];
    public array $ordinary = [];
    public int $memorySum = 0;
    public int $checksum = 0;
}

function make_container(int $objects): Node
{
    $container = new Node();
    $list = [];
    for ($i = 0; $i < $objects; $i++) {
        // No variable holds it: letting go of it would make a possible root, and these would raise the threshold.
        $list[] = new Node();
        $list[$i]->a = $container;
        $list[$i]->b = $i;
    }
    $container->a = $list;
    $container->b = 1;
    return $container;
}

/** Along the chain: what the objects hold, and whether each points back to the one before it. */
function read_graph(Node $node): int
{
    $sum = $node->c->a;
    while ($node->b !== null) {
        $sum += $node->b->a === $node ? 1 : 2;
        $node = $node->b;
        $sum += is_int($node->c) ? $node->c : $node->c?->b ?? 0;
    }
    return $sum;
}

/**
 * The rounds are in one function, so that the variables and their counts are those of the workload: nothing but `touch`
 * lets go of what lives on.
 */
function run(array $options, Node $container): Observed
{
    ['steps' => $steps, 'graphs' => $graphs, 'linked' => $linked, 'touch' => $touch, 'objects' => $objects] = $options;
    $observed = new Observed();
    $list = $container->a;
    $index = 0;
    $number = 0;
    $runs = gc_status()['runs'];
    for ($step = 0; $step < $steps; $step++) {
        for ($graph = 0; $graph < $graphs; $graph++) {
            $began = hrtime(true);
            $number++;
            $head = new Node();
            $head->c = new Node();
            $head->c->a = $number;
            $tail = $head;
            for ($i = 1; $i < CHAIN_OBJECTS; $i++) {
                $node = new Node();
                $node->a = $tail;
                $tail->b = $node;
                if ($i + 1 < CHAIN_OBJECTS) {
                    $node->c = $number + $i;
                }
                $tail = $node;
            }
            if ($linked) {
                $tail->c = $container;
            }
            if ($graph + 1 === $graphs) {
                $observed->checksum += read_graph($head);
            }
            unset($head);
            unset($tail);
            unset($node);
            for ($i = 0; $i < $touch; $i++) {
                $object = $list[$index];
                $index = ($index + TOUCH_STRIDE) % $objects;
            }
            $elapsed = hrtime(true) - $began;
            if ($elapsed > SUSPICIOUS_NS && gc_status()['runs'] !== $runs) {
                $runs = gc_status()['runs'];
                $observed->pauses[] = $elapsed;
            } elseif ($number % 1000 === 0) {
                $observed->ordinary[] = $elapsed;
            }
        }
        for ($i = 0; $i < SAMPLES_PER_STEP; $i++) {
            $sample = mt_rand(0, $objects - 1);
            $observed->checksum += $list[$sample]->b + $list[$sample]->a->b;
        }
        $observed->memorySum += memory_get_usage();
    }
    return $observed;
}

function cpu_ns(): int
{
    $usage = getrusage();
    return (int) (($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e9
        + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) * 1e3);
}

/** A pause is the length of the round in which the collector ran, less the median round. */
function pauses(Observed $observed): array
{
    sort($observed->ordinary);
    $typical = $observed->ordinary === [] ? 0 : $observed->ordinary[intdiv(count($observed->ordinary), 2)];
    $pauses = array_map(fn (int $ns): int => max(0, $ns - $typical), $observed->pauses);
    sort($pauses);
    return $pauses;
}

need_collector('linked.php');
$defaults = ['objects' => 200000, 'steps' => 4000, 'graphs' => 100, 'linked' => 1, 'touch' => 0];
$options = read_options('linked.php', array_slice($argv, 1), USAGE, $defaults);
if ($options['objects'] < 1 || $options['graphs'] < 1 || $options['steps'] < 1) {
    fail('linked.php', 'expected at least one object, graph and step');
}
$container = make_container($options['objects']);
gc_collect_cycles();
$before = gc_status();
$memory = memory_get_usage();
$cpu = cpu_ns();
$began = hrtime(true);
$observed = run($options, $container);
$wall = hrtime(true) - $began;
$cpu = cpu_ns() - $cpu;
$after = gc_status();
$pauses = pauses($observed);
echo json_encode(['engine' => 'php ' . PHP_VERSION] + $options + [
    'runs' => $after['runs'] - $before['runs'],
    'collected' => $after['collected'] - $before['collected'],
    'threshold' => $after['threshold'],
    'pause_count' => count($pauses),
    'pause_p50_ns' => $pauses === [] ? 0 : $pauses[intdiv(count($pauses), 2)],
    'pause_max_ns' => $pauses === [] ? 0 : end($pauses),
    'pause_total_ns' => array_sum($pauses),
    'wall_ns' => $wall,
    'cpu_ns' => $cpu,
    'live_bytes' => $memory,
    'mean_footprint_bytes' => intdiv($observed->memorySum, $options['steps']),
    'peak_committed_bytes' => memory_get_peak_usage(true),
    'checksum' => $observed->checksum,
], JSON_UNESCAPED_SLASHES), "\n";
