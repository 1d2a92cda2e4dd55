"""${message}

${summary}

Revises: ${down_revision or "nothing, it is the first"}
"""

from candlewave.engine.migrate.steps import ${", ".join(imports)}

revision = ${repr(revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = None

% for name, text in texts:
${name} = ${text}

% endfor
UPGRADE = (
% for step in upgrade_steps:
    ${step},
% endfor
)

DOWNGRADE = (
% for step in downgrade_steps:
    ${step},
% endfor
)


def upgrade() -> None:
    run(UPGRADE, revision)


def downgrade() -> None:
    run(DOWNGRADE, down_revision)
