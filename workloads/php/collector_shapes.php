<?php
/*
 * Shapes of garbage for comparing cycle collectors: the exact sequence of operations is in README.md, and
 * tests/support/collector_shapes.c performs the same one on the VM. Prints one line of JSON.
 */
declare(strict_types=1);

const USAGE = <<<'TEXT'
usage: php collector_shapes.php [SHAPE] [--graphs=N] [--cyclic=SHARE] [--live=N] [--linked=0|1] [--touch=N]

  SHAPE       acyclic | cyclic (default) | mixed | linked | touched | touch-only
  --graphs    temporary graphs of 11 objects (touch-only: rounds without a graph)
  --cyclic    share of the graphs that are cyclic, 0 to 1
  --live      objects that live throughout
  --linked    1: each graph holds one pointer to what lives
  --touch     live objects that a variable takes and leaves again after each graph
Options override what the shape sets.

TEXT;

const SHAPES = [
    'acyclic' => ['graphs' => 200500, 'cyclic' => 0.0, 'live' => 10000, 'linked' => 0, 'touch' => 0],
    'cyclic' => ['graphs' => 200500, 'cyclic' => 1.0, 'live' => 0, 'linked' => 0, 'touch' => 0],
    'mixed' => ['graphs' => 200500, 'cyclic' => 0.5, 'live' => 100000, 'linked' => 0, 'touch' => 0],
    'linked' => ['graphs' => 200500, 'cyclic' => 0.5, 'live' => 100000, 'linked' => 1, 'touch' => 0],
    'touched' => ['graphs' => 100250, 'cyclic' => 0.5, 'live' => 100000, 'linked' => 0, 'touch' => 5],
    'touch-only' => ['graphs' => 100250, 'cyclic' => -1.0, 'live' => 100000, 'linked' => 0, 'touch' => 5],
];

/** A ring's nodes in a graph; cyclic ones point back, and one leaf more makes eleven. */
const RING_NODES = 10;
/** An iteration longer than this is looked at for a run of the collector. */
const SUSPICIOUS_NS = 20000;

class Node
{
    public $a;
    public $b;
    public $c;
}

class Result
{
    public array $pauses = [];
    public array $ordinary = [];
    public int $wallNs = 0;
    public array $start;
    public array $before;
    public array $end;
    public int $finalNs = 0;
}

function fail(string $message): never
{
    fwrite(STDERR, "collector_shapes.php: $message\n");
    exit(2);
}

function read_options(array $arguments): array
{
    $shape = 'cyclic';
    $given = [];
    foreach ($arguments as $argument) {
        if ($argument === '--help' || $argument === '-h') {
            echo USAGE;
            exit(0);
        }
        if (preg_match('/^--(graphs|live|linked|touch)=(\d+)$/', $argument, $match)) {
            $given[$match[1]] = (int) $match[2];
        } elseif (preg_match('/^--cyclic=([01](?:\.\d+)?)$/', $argument, $match) && (float) $match[1] <= 1) {
            $given['cyclic'] = (float) $match[1];
        } elseif (isset(SHAPES[$argument])) {
            $shape = $argument;
        } else {
            fail("unexpected argument '$argument'; see --help");
        }
    }
    $options = ['shape' => $shape] + $given + SHAPES[$shape];
    if ($options['touch'] > 0 && $options['live'] === 0) {
        fail('--touch needs --live of at least 1');
    }
    return $options;
}

function run(array $options): Result
{
    $result = new Result();
    ['graphs' => $graphs, 'cyclic' => $share, 'live' => $live, 'linked' => $linked, 'touch' => $touch] = $options;
    $container = new Node();
    $list = [];
    for ($i = 0; $i < $live; $i++) {
        $list[] = new Node();
        $list[$i]->a = $container;
    }
    $container->a = $list;
    $head = $tail = $node = $object = null;
    gc_collect_cycles(); // So that the buffer is empty: reading the options has left a root in it.
    $result->start = gc_status();
    $runs = $result->start['runs'];
    $index = 0;
    $began = $last = hrtime(true);
    for ($graph = 0; $graph < $graphs; $graph++) {
        if ($share >= 0) {
            $cyclic = (int) (($graph + 1) * $share) > (int) ($graph * $share);
            $head = new Node();
            $head->c = new Node();
            $tail = $head;
            for ($i = 1; $i < RING_NODES; $i++) {
                $node = new Node();
                if ($cyclic) {
                    $node->a = $tail;
                }
                $tail->b = $node;
                $tail = $node;
            }
            if ($linked) {
                $tail->c = $container;
            }
            unset($head);
            unset($tail);
            unset($node);
        }
        for ($i = 0; $i < $touch; $i++) {
            $object = $list[$index];
            $index = ($index + 7919) % $live;
        }
        $now = hrtime(true);
        $elapsed = $now - $last;
        if ($elapsed > SUSPICIOUS_NS && gc_status()['runs'] !== $runs) {
            $runs = gc_status()['runs'];
            $result->pauses[] = $elapsed;
        } elseif ($graph % 1000 === 0) {
            $result->ordinary[] = $elapsed;
        }
        $last = hrtime(true);
    }
    $result->wallNs = hrtime(true) - $began;
    $result->before = gc_status();
    $began = hrtime(true);
    gc_collect_cycles();
    $result->finalNs = hrtime(true) - $began;
    $result->end = gc_status();
    return $result;
}

function quantile(array $sorted, float $share): int
{
    return $sorted === [] ? 0 : $sorted[(int) min(count($sorted) - 1, $share * count($sorted))];
}

/** Runs and collected objects since the start of the shape; what the live heap's making did does not count. */
function report(array $options, Result $result): array
{
    sort($result->pauses);
    sort($result->ordinary);
    $typical = quantile($result->ordinary, 0.5);
    $pauses = array_map(fn (int $ns): int => max(0, $ns - $typical), $result->pauses);
    $inside = array_sum($pauses);
    return ['engine' => 'php ' . PHP_VERSION] + $options + [
        'runs' => $result->before['runs'] - $result->start['runs'],
        'collected' => $result->before['collected'] - $result->start['collected'],
        'threshold' => $result->before['threshold'],
        'roots' => $result->before['roots'],
        'final_collected' => $result->end['collected'] - $result->before['collected'],
        'final_ns' => $result->finalNs,
        'pauses_seen' => count($pauses),
        'pause_p50_ns' => quantile($pauses, 0.5),
        'pause_max_ns' => $pauses === [] ? 0 : end($pauses),
        'pause_total_ns' => $inside,
        'wall_ns' => $result->wallNs,
        'collector_share' => round($inside / max(1, $result->wallNs), 4),
    ];
}

if (!gc_enabled()) {
    fail('the cycle collector is switched off (zend.enable_gc=0)');
}
ini_set('memory_limit', '-1');
$options = read_options(array_slice($argv, 1));
echo json_encode(report($options, run($options)), JSON_UNESCAPED_SLASHES), "\n";
