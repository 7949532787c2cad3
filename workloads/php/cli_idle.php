<?php
/*
 * Twin of the workload cli-idle: a worker that asks for work and gets none. Prints one line of JSON with live bytes and
 * the collector's state at ten checkpoints; README.md says what corresponds to what.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_idle.php [--steps=N] [--seed=N] [--leak=BYTES] [--services=N] [--block=MICROSECONDS] [--linked=0|1]

  --steps=N              polls (default 10000)
  --seed=N               of the random numbers (default 1)
  --leak=BYTES           text that each poll leaves behind for ever (default 0)
  --services=N           in the container that lives on (default 2000)
  --block=MICROSECONDS   sleep after each poll (default 0)
  --linked=1             queries and events refer to the container (default); 0: not

TEXT;

const QUEUES = 4;
const LISTENERS = 4;
const SERVICE_WORDS = 4;
const SAMPLES_PER_POLL = 2;

class Container
{
    public $services = [], $listeners = [], $records = [];
}

class Service
{
    public $name, $container, $config, $p3, $p4, $p5, $p6, $p7, $p8, $p9;
}

class Statement
{
    public $sql, $parameters, $rows, $p3, $p4, $p5, $p6;
}

class WorkerRunningEvent
{
    public $number, $container;
}

class Expression
{
    public $column, $text;
}

class Date
{
    public $stamp, $text, $p2;
}

class QueryBuilder
{
    public $parts = [], $parameters = [], $types = [], $container, $sql, $p5, $p6, $p7, $p8, $p9, $p10, $p11;

    public function where(string $column, string $value, int $type): void
    {
        $expression = new Expression();
        $expression->column = $column;
        $expression->text = sprintf('m.%s = ?', $column);
        $this->parts[] = $expression;
        $this->parameters[$column] = $value;
        $this->types[] = $type;
    }

    public function compile(): string
    {
        $texts = [];
        foreach ($this->parts as $expression) {
            $texts[] = $expression->text;
        }
        return $this->sql = 'SELECT m.* FROM messages m WHERE ' . implode(' AND ', $texts);
    }
}

class Worker
{
    public int $checksum = 0;
    private Container $container;
    private int $poll = 0;

    public function __construct(private array $options)
    {
        $this->container = new Container();
        for ($i = 0; $i < $options['services']; $i++) {
            $service = new Service();
            $service->name = (string) (100000 + $i);
            $service->container = $this->container;
            $service->config = ['driver' => words(SERVICE_WORDS), 'host' => words(SERVICE_WORDS),
                'retry' => words(SERVICE_WORDS), 'dsn' => words(SERVICE_WORDS)];
            $this->container->services[] = $service;
        }
        $this->container->listeners = range(0, LISTENERS - 1);
    }

    public function poll(): void
    {
        $this->poll++;
        for ($queue = 0; $queue < QUEUES; $queue++) {
            $query = $this->makeQuery($queue);
            $sql = $query->compile();
            $statement = $this->runStatement($sql, $query);
            $this->tellListeners($queue);
            $line = $this->writeLog($sql, $queue);
        }
        $this->checksum = ($this->checksum * 31 + crc32($statement->sql) + crc32($line)) & 0xffffffff;
        if ($this->options['leak'] > 0) {
            $this->container->records[] = str_repeat('x', $this->options['leak']);
        }
        for ($i = 0; $i < SAMPLES_PER_POLL; $i++) {
            $service = $this->container->services[mt_rand(0, $this->options['services'] - 1)];
            $this->checksum ^= crc32($service->config['dsn']);
        }
    }

    private function makeQuery(int $queue): QueryBuilder
    {
        $query = new QueryBuilder();
        if ($this->options['linked']) {
            $query->container = $this->container;
        }
        $query->where('queue_name', sprintf('queue-%d', $queue), 1);
        $query->where('available_at', (string) (1700000000 + $this->poll), 2);
        $query->where('delivered_at', (string) (1699996400 + $this->poll), 3);
        return $query;
    }

    private function runStatement(string $sql, QueryBuilder $query): Statement
    {
        $statement = new Statement();
        $statement->sql = $sql;
        $statement->parameters = $query->parameters;
        $number = $this->poll;
        $driver = static function (Statement $statement) use ($number): array {
            $bound = [];
            foreach ($statement->parameters as $value) {
                $bound[] = $value;
            }
            $statement->parameters = $bound;
            return [];
        };
        $middleware = static fn (Statement $statement): array => $driver($statement);
        $statement->rows = $middleware($statement);
        return $statement;
    }

    private function tellListeners(int $queue): void
    {
        $event = new WorkerRunningEvent();
        $event->number = $queue;
        if ($this->options['linked']) {
            $event->container = $this->container;
        }
        foreach ($this->container->listeners as $listener) {
            $arguments = [$event, $listener];
        }
    }

    private function writeLog(string $sql, int $queue): string
    {
        $date = new Date();
        $date->stamp = 1700000000 + $this->poll;
        $date->text = (string) $date->stamp;
        $context = ['table' => 'message', 'queue_name' => (string) (100 + $queue)];
        $record = ['level' => 100, 'context' => $context, 'message' => $sql, 'available_at' => $date];
        return sprintf('[%d] messenger.DEBUG: no message in queue %d', $this->poll, $queue);
    }
}

$options = read_options('cli_idle.php', array_slice($argv, 1), USAGE, ['steps' => 10000, 'seed' => 1, 'leak' => 0,
    'services' => 2000, 'block' => 0, 'linked' => 1]);
if ($options['services'] < 1 || $options['steps'] < 1) {
    fail('cli_idle.php', 'expected at least one service and one poll');
}
mt_srand($options['seed']);
words(1);
$checkpoints = new Checkpoints($options['steps']);
$worker = new Worker($options);
for ($step = 1; $step <= $options['steps']; $step++) {
    $worker->poll();
    $checkpoints->pass($step);
    usleep($options['block']);
}
$checkpoints->report('cli_idle', $options, $worker->checksum);
