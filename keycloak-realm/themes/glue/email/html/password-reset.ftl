<#import "template.ftl" as layout>
<@layout.emailLayout>
<@layout.action title=msg("glueResetTitle", realmName) text=msg("glueResetText", realmName) button=msg("glueResetButton") note=msg("glueResetNote") />
</@layout.emailLayout>
